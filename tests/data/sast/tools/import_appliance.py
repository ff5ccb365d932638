"""A small tool with defects, for captured scanner output."""

import subprocess


def define(name):
    subprocess.run(f"virsh define {name}.xml", shell=True)


def undefine(name):
    subprocess.run(f"virsh undefine {name}", shell=True)  # nosec B602


def start(name):
    subprocess.run(f"virsh start {name}", shell=True)  # nosec
    assert name
