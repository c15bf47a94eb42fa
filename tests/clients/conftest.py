"""Real clients: those of JavaScript in a folder with their packages, which npm installs from the lock beside this."""

import asyncio
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALL_SECONDS, CLIENT_SECONDS = 120, 30
AWAY = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "network")
OLDEST_NODE = 20


@pytest.fixture(scope="session")
def packages(request):
    """A folder with the clients' packages and scripts. Skips where Node is missing or the registry is out of reach."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        pytest.skip("Needs Node and npm.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Needs Node {OLDEST_NODE} or newer, and this is {version}.")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    kept = request.config.cache.mkdir("clients")
    folder = kept / lock
    if not folder.exists():
        making = Path(tempfile.mkdtemp(dir=kept))  # another process of this run may make the same
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, making)
        command = [npm, "ci", "--ignore-scripts", "--no-progress", "--fetch-retries=1", "--fetch-timeout=30000"]
        done = subprocess.run(command, cwd=making, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if done.returncode and any(word in done.stderr for word in AWAY):
            pytest.skip("The registry of npm can't be reached.")
        assert done.returncode == 0, done.stderr
        try:
            making.rename(folder)
        except OSError:  # it was faster
            shutil.rmtree(making)
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, folder)
    return folder


@pytest.fixture
def run(packages, live_server):
    """Runs a client's script, and gives what it tells."""

    async def ran(script):
        process = await asyncio.create_subprocess_exec(
            "node", script, live_server, cwd=packages, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(CLIENT_SECONDS):
                told, complained = await process.communicate()
        except TimeoutError:
            process.kill()
            told, complained = await process.communicate()
        assert process.returncode == 0, complained.decode()
        return json.loads(told)

    return ran
