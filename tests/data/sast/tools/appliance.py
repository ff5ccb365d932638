"""The right twin of the planted defects: the same work, and nothing to report."""

import json
import os
import socket
import subprocess
import tarfile
import tempfile

import requests
import yaml
from lxml import etree

PASSWORD_FILE = "/etc/appliance/password"
PASS = "PASS"


def import_appliance(bundle, name, host, address):
    with tarfile.open(bundle) as archive:
        archive.extractall("/var/lib/images", filter="data")
    subprocess.run(["virsh", "define", f"{name}.xml"], check=True)
    subprocess.run("exec true", shell=True)
    settings = yaml.safe_load(bundle)
    more = yaml.load(bundle, Loader=yaml.SafeLoader)
    state = json.loads(bundle)
    requests.get(f"https://{host}/api", verify="/etc/pki/site.pem", timeout=5)
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    os.chmod("/run/vm/qmp.sock", 0o660)
    control = socket.socket()
    control.bind((address, 16509))
    with tempfile.TemporaryDirectory() as scratch:
        return settings, more, state, parser, scratch
