"""Renders the overlays as `kubectl kustomize` does.

Debian 12's kubectl (1.20) speaks an older kustomize, with other words for two things: `bases` for directories among
`resources`, and `patchesStrategicMerge` for `patches` that are files; and it knows no `components`, whose files are taken
among those of whoever names them. All of it is put into a copy, for that kubectl alone.
"""

import pathlib
import shutil
import subprocess
import tempfile

import yaml

KUSTOMIZE = pathlib.Path(__file__).resolve().parent.parent / "kustomize"
OVERLAYS = ("base", "overlays/small", "overlays/ha")
COMPONENTS = tuple(sorted(path.name for path in (KUSTOMIZE / "components").iterdir()))


def for_old_kubectl(file: pathlib.Path):
    document = yaml.safe_load(file.read_text())
    for component in document.pop("components", []):
        part = yaml.safe_load((file.parent / component / "kustomization.yaml").read_text())
        name = pathlib.Path(component).name
        shutil.copytree(file.parent / component, file.parent / name)
        (file.parent / name / "kustomization.yaml").unlink()
        document.setdefault("resources", []).extend(f"{name}/{path}" for path in part.get("resources", []))
        document.setdefault("patches", []).extend({"path": f"{name}/{patch['path']}"} for patch in part.get("patches", []))
    resources = document.pop("resources", [])
    document["bases"] = [name for name in resources if (file.parent / name).is_dir()]
    document["resources"] = [name for name in resources if not (file.parent / name).is_dir()]
    document["patchesStrategicMerge"] = [patch["path"] for patch in document.pop("patches", [])]
    file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value}))


def render(overlay: str, components=()) -> list[dict]:
    """The documents of an overlay, as somebody's own overlay has them that names components."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "kustomize"
        shutil.copytree(KUSTOMIZE, copy)
        own = copy / "overlays/own"
        own.mkdir()
        own_file = {"resources": [f"../../{overlay}"], "components": [f"../../components/{name}" for name in components]}
        (own / "kustomization.yaml").write_text(yaml.safe_dump(own_file))
        for file in copy.rglob("kustomization.yaml"):
            if file.parent.parent.name != "components":
                for_old_kubectl(file)
        done = subprocess.run(
            ["kubectl", "kustomize", str(own)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(done.stderr.strip())
        return [document for document in yaml.safe_load_all(done.stdout) if document]
