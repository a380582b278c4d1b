"""The bill of materials that a release has."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

pytest.importorskip("cyclonedx_py", reason="make sbom installs it")


def test_a_bill_of_materials_names_what_is_installed(tmp_path):
    path = tmp_path / "sbom.json"
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--sv", "1.5", "--validate"]
    subprocess.run([*command, "-o", str(path)], check=True)
    written = json.loads(path.read_text())
    assert (written["bomFormat"], written["specVersion"]) == ("CycloneDX", "1.5")
    versions = {each["name"]: each["version"] for each in written["components"]}
    assert versions["h5py"] == importlib.metadata.version("h5py")
