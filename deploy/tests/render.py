"""Renders the overlays as `kubectl kustomize` does.

Debian 12's kubectl (1.20) speaks an older kustomize, with other words for two things: `bases` for directories among
`resources`, and `patchesStrategicMerge` for `patches` that are files. They are put into a copy, for that kubectl alone.
"""

import pathlib
import shutil
import subprocess
import tempfile

import yaml

KUSTOMIZE = pathlib.Path(__file__).resolve().parent.parent / "kustomize"
OVERLAYS = ("base", "overlays/small", "overlays/ha")


def render(overlay: str, change=None) -> list[dict]:
    """The documents of an overlay. `change` may spoil the copy first: `change(folder)`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "kustomize"
        shutil.copytree(KUSTOMIZE, copy)
        if change:
            change(copy)
        for file in copy.rglob("kustomization.yaml"):
            document = yaml.safe_load(file.read_text())
            resources = document.pop("resources", [])
            document["bases"] = [name for name in resources if (file.parent / name).is_dir()]
            document["resources"] = [name for name in resources if not (file.parent / name).is_dir()]
            document["patchesStrategicMerge"] = [patch["path"] for patch in document.pop("patches", [])]
            file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value}))
        done = subprocess.run(
            ["kubectl", "kustomize", str(copy / overlay)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(done.stderr.strip())
        return [document for document in yaml.safe_load_all(done.stdout) if document]
