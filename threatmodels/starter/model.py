"""The threat model of this hypervisor: a start. Change it until it is yours, then keep it so with each change.

Plain pytm: https://github.com/OWASP/pytm says what an element can carry. secdl adds three attributes:
`kind` (its class in the threat library: `secdl threat list --kinds` names them), `tags`, and for flows `scenario`
beside pytm's `order` (what stands in the sequence diagram). The file runs without network and may import what lies
beside it.
"""

from pytm import TM, Actor, Boundary, Classification, Data, Dataflow, Datastore, ExternalEntity, Process, Server

tm = TM("Hypervisor", description="A KVM host: one QEMU process per VM, libvirt, disk images, one network.")

# Trust boundaries: whoever gets from one side of a line to the other has gained something.
guests = Boundary("Guests", description="Everything inside a VM; an attacker may run any code here.")
host = Boundary("Host", description="The hypervisor host.")
sandbox = Boundary("QEMU sandbox", inBoundary=host, description="One per VM: own user, SELinux category, seccomp.")
management = Boundary("Management network", description="Administrators and their tools.")

# Data, and how bad it is to lose it.
guest_data = Data(
    "Guest data", classification=Classification.SECRET, description="Memory, disks and packets of guests."
)
requests = Data(
    "Device requests", classification=Classification.RESTRICTED, description="What a guest writes to devices."
)
commands = Data("Host commands", classification=Classification.SENSITIVE, description="Start, stop, attach, migrate.")
login = Data("Administrator login", classification=Classification.TOP_SECRET, isCredentials=True)

# Elements.
guest = ExternalEntity("Guest", kind="guest", inBoundary=guests)
administrator = Actor("Administrator", kind="operator", inBoundary=management, isAdmin=True)
kvm = Process("KVM vCPU", kind="vcpu", inBoundary=host)
qemu = Process("QEMU process", kind="vmm", inBoundary=sandbox)
devices = Process("Emulated devices", kind="pci-device", inBoundary=sandbox)
virtio = Process("virtio devices", kind="virtio", inBoundary=sandbox)
switch = Process("Virtual switch", kind="network", inBoundary=host)
images = Datastore("Disk image files", kind="disk-image", inBoundary=host, isSQL=False)
libvirt = Server("libvirt daemon", kind="libvirt", inBoundary=host)
sshd = Server("SSH daemon", kind="ssh", inBoundary=host)
system = Process("Host system", kind="host-os", inBoundary=host)


def flow(source, sink, name, kind, carries, **more):
    return Dataflow(source=source, sink=sink, name=name, kind=kind, data=carries, **more)


# Flows: an element that nothing reaches is a finding, and so is a boundary that a flow crosses unguarded.
WORK = "A guest at work"
flow(administrator, libvirt, "Administrator commands libvirt", "mgmt-net", [login, commands], protocol="TLS")
flow(administrator, sshd, "Administrator logs in", "mgmt-net", [login], protocol="SSH")
flow(sshd, system, "Administrator changes the host", "call", [commands])
flow(libvirt, qemu, "libvirt starts QEMU", "call", [commands], order=1, scenario=WORK)
flow(qemu, images, "QEMU opens its images", "file", [guest_data], order=2, scenario=WORK)
flow(qemu, kvm, "QEMU runs the virtual CPUs", "call", [guest_data], order=3, scenario=WORK)
flow(guest, kvm, "Guest exits to KVM", "trap", [requests], order=4, scenario=WORK)
flow(guest, devices, "Guest programs devices", "trap", [requests], order=5, scenario=WORK)
flow(guest, virtio, "Guest fills virtio rings", "queue", [requests], order=6, scenario=WORK)
flow(virtio, switch, "virtio sends packets", "call", [guest_data], order=7, scenario=WORK)
flow(devices, guest, "Devices write guest memory", "dma", [guest_data], order=8, scenario=WORK)
