"""Carries out a Containerfile in a folder, without an engine: RUN, COPY, ENV, WORKDIR, in order, stage by stage.

A path inside of the image is one below the folder. The base image is the interpreter of the tests, and a RUN is a plain command without
shell syntax, since each word of it has to be known for a path or not.
"""

import io
import json
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

# How this machine reaches the package index is no part of an image
NETWORK = re.compile(r"PIP_.*|SSL_.*|REQUESTS_.*|.*_proxy", re.IGNORECASE)
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class BuildError(Exception):
    """A command of the Containerfile failed."""


@dataclass
class Image:
    """What a stage left: the folder that is its root file system, and how a container of it is started."""

    root: Path
    env: dict = field(default_factory=lambda: {"PATH": SYSTEM_PATH})
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list = field(default_factory=list)
    cmd: list = field(default_factory=list)
    healthcheck: list = field(default_factory=list)
    exposed: str = ""

    def inside(self, path):
        """Return where `path` of the image is on this machine."""
        return self.root / Path(self.workdir, path).relative_to("/")

    def environment(self, **variables):
        """Return the variables of a process in the image."""
        path = os.pathsep.join(str(self.inside(part)) if self.inside(part).is_dir() else part for part in self.env["PATH"].split(":"))
        return self.env | {"PATH": path, "HOME": "/nonexistent", "LANG": "C.UTF-8"} | variables

    def start(self, arguments, stdout=None, **variables):
        """Start a container of the image: its entry point with `arguments`."""
        return self.execute([*self.entrypoint, *arguments], stdout, **variables)

    def execute(self, command, stdout=None, **variables):
        """Start a command inside of the image, in a session of its own."""
        environment = self.environment(**variables)
        found = shutil.which(command[0], path=environment["PATH"])
        assert found, f"there is no {command[0]} in {environment['PATH']}"
        cwd = self.inside(self.workdir)
        streams = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stdout and subprocess.STDOUT}
        return subprocess.Popen([found, *command[1:]], cwd=cwd, env=environment, start_new_session=True, **streams)


def build(containerfile, context, folder):
    """Carry out `containerfile` with the files of the folder `context`, and return the Image of its last stage, in `folder`/root."""
    parser = DockerfileParser(fileobj=io.BytesIO(Path(containerfile).read_bytes()), env_replace=False)
    stages, image = {}, None
    root = folder / "root"
    for step in parser.structure:
        instruction, value = step["instruction"], step["value"]
        if instruction == "FROM":
            if image:
                # commands of a virtual environment name it by its path, so that every stage has to be built at the same one
                image.root = root.rename(folder / f"stage-{len(stages)}")
            image = Image(root)
            root.mkdir(parents=True)
            stages[value.partition(" AS ")[2] or str(len(stages))] = image
        elif instruction not in ("ARG", "COMMENT"):
            STEPS[instruction](image, value, context, stages, folder)
    return image


def _run(image, value, context, stages, folder):
    words = shlex.split(value)
    assert not set(value) & set("|&;<>`$*"), f"not a plain command: {value}"
    command = [str(image.inside(word)) if word.startswith("/") else word for word in words]
    if command[0] == "python":
        command[0] = sys.executable
    outside = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    variables = outside | image.environment() | {"HOME": str(folder)}
    done = subprocess.run(command, cwd=image.inside(image.workdir), env=variables, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"RUN {value}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def _copy(image, value, context, stages, folder):
    options, *paths = re.fullmatch(r"((?:--\S+ )*)(.*)", value).groups()
    *sources, target = paths[0].split()
    stage = re.fullmatch(r"--from=(\S+) ", options)
    assert stage or not options, f"unknown options of COPY: {options}"
    destination = image.inside(target)
    for source in sources:
        found = stages[stage[1]].inside(source) if stage else context / source
        if found.is_dir():
            shutil.copytree(found, destination, symlinks=True, dirs_exist_ok=True)
        else:
            into = destination / found.name if target.endswith("/") or destination.is_dir() else destination
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, into)


def _env(image, value, *_):
    for word in shlex.split(value):
        name, _, text = word.partition("=")
        image.env[name] = string.Template(text).substitute(image.env)


def _workdir(image, value, *_):
    image.workdir = value
    image.inside(value).mkdir(parents=True, exist_ok=True)


def _sets(name, read):
    return lambda image, value, *_: setattr(image, name, read(value))


STEPS = {
    "RUN": _run,
    "COPY": _copy,
    "ENV": _env,
    "WORKDIR": _workdir,
    "USER": _sets("user", str),
    "EXPOSE": _sets("exposed", str),
    "ENTRYPOINT": _sets("entrypoint", json.loads),
    "CMD": _sets("cmd", json.loads),
    "HEALTHCHECK": _sets("healthcheck", lambda value: json.loads(value.partition(" CMD ")[2])),
    "STOPSIGNAL": lambda *_: None,
}
