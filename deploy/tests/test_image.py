"""The image, as far as it can be looked at without building it (`deploy/image/try` builds it)."""

import fnmatch
import re
import tomllib
import unittest

from policies import ROOT

TEXT = (ROOT / "deploy/image/Dockerfile").read_text()
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}


def steps(text: str) -> list[tuple[str, str]]:
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def ignored(path: str) -> bool:
    return any(fnmatch.fnmatch(path, rule.removeprefix("**/")) or fnmatch.fnmatch(path, rule) for rule in IGNORED)


def wrong(text: str):
    """What would end a build, or be a worse image."""
    made, last, bases = {}, [], []
    for what, how in steps(text):
        if what not in KNOWN:
            yield f"{what}: is no step that this file needs"
        if what == "FROM":
            last = []
            bases.append(how)
        last.append((what, how))
        if what == "RUN":
            # What a stage leaves at its root, for the next one to take.
            made.update({path: True for path in re.findall(r"(?:>|-o )(/[\w.]+)", how)})
        if what == "COPY":
            source = how.split()[-2]
            if how.startswith("--from"):
                if source not in made:
                    yield f"COPY {how}: nothing makes {source}"
            elif not (ROOT / source).exists() or ignored(source):
                yield f"COPY {how}: {source} is not there"
    final = dict(last)
    if not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", final.get("USER", "")):
        yield "USER: Kubernetes sees that an image is not root's by a number alone"
    if any(what == "RUN" for what, _ in last):
        yield "RUN: the last stage has no shell"
    entry = re.findall(r'"([^"]+)"', final.get("ENTRYPOINT", ""))
    if not entry or not any(what == "COPY" and how.split()[-1] == entry[0] for what, how in last):
        yield f"ENTRYPOINT {entry}: nothing puts it there"
    codenames = {"bookworm": "debian12", "trixie": "debian13"}
    build = next((name for name in codenames if name in bases[0]), None)
    if build is None or codenames[build] not in bases[-1]:
        yield "FROM: built against another C library than it runs with"


class Image(unittest.TestCase):
    def test_the_dockerfile_says_what_can_be_done(self):
        self.assertEqual(list(wrong(TEXT)), [])

    def test_what_is_wrong_is_named(self):
        for was, becomes, said in (
            ("COPY LICENSE", "COPY LICENCE", "LICENCE is not there"),
            ("COPY LICENSE", "COPY rust-toolchain.toml", "rust-toolchain.toml is not there"),
            ("--from=build /afterglow ", "--from=build /afterglw ", "nothing makes /afterglw"),
            ("USER 65532:65532", "USER nonroot", "by a number alone"),
            ("USER 65532:65532", "USER 0", "by a number alone"),
            ("USER 65532:65532", "RUN true", "no shell"),
            ('["/afterglow"]', '["/bin/afterglow"]', "nothing puts it there"),
            ("cc-debian12", "cc-debian13", "another C library"),
        ):
            with self.subTest(becomes):
                self.assertIn(said, " ".join(wrong(TEXT.replace(was, becomes))))

    def test_it_is_built_with_the_toolchain_that_it_names(self):
        floor = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
        self.assertIn(f"FROM rust:{floor}-", TEXT)
        self.assertTrue(ignored("rust-toolchain.toml"), "else rustup fetches the newest stable one in every build")

    def test_nobodys_secrets_and_leavings_are_sent_to_the_builder(self):
        for path in (".git", "target", "deploy/compose/.env", "tests/browser/node_modules", "afterglow-data"):
            self.assertTrue(ignored(path), path)
        self.assertFalse(ignored("deploy/compose/env.example"))


if __name__ == "__main__":
    unittest.main()
