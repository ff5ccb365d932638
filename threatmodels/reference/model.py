"""The reference hypervisor: KVM, QEMU and libvirt on a host of a cluster, storage served by a controller VM on it.

Plain pytm. `kind` is the class of an element in the threat library, `tags` refine it, `order` and `scenario` put a flow
into the sequence diagram. Run it with pytm's own options, or let `secdl threat check` judge it.
"""

from pytm import (
    TM,
    Actor,
    Boundary,
    Classification,
    Data,
    Dataflow,
    Datastore,
    DatastoreType,
    ExternalEntity,
    Process,
    Server,
)

tm = TM(
    "Reference hypervisor",
    description="One host of a KVM cluster: a QEMU process per VM, storage through a controller VM, a management plane "
    "over many hosts, measured boot, updates and drift healing from one place, logs kept elsewhere.",
)

# ------------------------------------------------------------------------------------------------- trust boundaries

internet = Boundary("Tenants", description="People and programs that own guests; hostile by assumption.")
guests = Boundary(
    "Guests", description="Everything inside a VM. An attacker may run any code here, in kernel mode too."
)
host = Boundary("Host", description="The hypervisor host: its kernel and all that runs beside the VMs.")
kernel = Boundary(
    "Host kernel", inBoundary=host, description="Kernel mode of the host; nothing confines what runs here."
)
sandbox = Boundary(
    "QEMU sandbox",
    inBoundary=host,
    description="One per VM: SELinux category, seccomp, cgroup, namespace; one user for all.",
)
controller = Boundary("Controller VM", description="A privileged guest with the host's disks in its hands.")
management = Boundary("Management network", description="Administrators, management plane, repositories, log host.")
cluster = Boundary("Other hosts", description="Peers that send and receive running VMs.")

# --------------------------------------------------------------------------------------------------- data and classes


def data(name, classification, description, **more):
    return Data(name, classification=classification, description=description, **more)


guest_memory = data("Guest memory", Classification.SECRET, "Memory and registers of a running guest: keys, sessions.")
guest_disk = data("Guest disk content", Classification.SECRET, "Blocks of guest disks and snapshots.", isStored=True)
guest_packets = data("Guest packets", Classification.SENSITIVE, "Network traffic of guests.")
device_requests = data("Device requests", Classification.RESTRICTED, "Registers, rings and descriptors a guest writes.")
console_stream = data("Console stream", Classification.SENSITIVE, "Screen, keyboard and mouse of a guest.")
vm_definition = data(
    "VM definition", Classification.SENSITIVE, "Domain XML: devices, paths, networks, limits.", isStored=True
)
host_commands = data("Host commands", Classification.SENSITIVE, "Start, stop, migrate, attach, snapshot.")
admin_login = data("Administrator login", Classification.TOP_SECRET, "Password, key or token.", isCredentials=True)
tenant_login = data("Tenant login", Classification.SECRET, "A tenant's password or token.", isCredentials=True)
wanted_state = data("Wanted state", Classification.SENSITIVE, "Configuration that each host must have.", isStored=True)
packages = data("Signed packages", Classification.PUBLIC, "Updates and their signatures.")
audit_records = data("Audit records", Classification.SENSITIVE, "Who did what, when.", isStored=True)
measurements = data("Boot measurements", Classification.RESTRICTED, "Digests of each boot step.")

# ------------------------------------------------------------------------------------------------------------ people

tenant = Actor("Tenant", kind="tenant", inBoundary=internet, description="Owns guests, uploads images, opens consoles.")
administrator = Actor("Administrator", kind="operator", inBoundary=management, isAdmin=True)

# ------------------------------------------------------------------------------------------------------------ guests

guest = ExternalEntity(
    "Guest", kind="guest", inBoundary=guests, description="Operating system and programs of a tenant."
)
neighbour = ExternalEntity("Neighbour guest", kind="guest", inBoundary=guests, description="Another tenant's VM.")
controller_vm = Server(
    "Storage controller",
    kind="controller-vm",
    inBoundary=controller,
    OS="Linux",
    description="Serves the disks of all guests over iSCSI; holds the physical disks by passthrough.",
)

# ------------------------------------------------------------------------------------------------- host kernel

disks = Process(
    "Passed-through disk controller",
    kind="passthrough",
    inBoundary=host,
    description="The physical controller of the host's disks, handed to the controller VM by VFIO.",
)
kvm = Process("KVM vCPU", kind="vcpu", inBoundary=kernel, description="Runs virtual CPUs, emulates APIC, timers, MSRs.")
vhost = Process("vhost worker", kind="vhost", inBoundary=kernel, description="Data path of virtio-net in the kernel.")
switch = Process(
    "Virtual switch", kind="network", inBoundary=kernel, description="Bridge, taps, VLANs, physical ports."
)
block = Process("Block layer", kind="storage", inBoundary=kernel, description="iSCSI initiator, multipath, page cache.")
boot = Process("Boot chain", kind="boot", inBoundary=kernel, description="Firmware, shim, GRUB, kernel, initrd; TPM.")

# ----------------------------------------------------------------------------------------------- one QEMU per VM

qemu = Process(
    "QEMU process", kind="vmm", inBoundary=sandbox, codeType="Unmanaged", description="Main loop, vCPU threads."
)
virtio = Process(
    "virtio devices", kind="virtio", inBoundary=sandbox, description="virtio-net, -blk, -scsi, -balloon, -rng."
)
pci = Process("PCI devices", kind="pci-device", inBoundary=sandbox, description="e1000, rtl8139, AHCI, VGA, chipset.")
own = Process(
    "Own device models",
    kind="pci-device",
    inBoundary=sandbox,
    codeType="Unmanaged",
    sourceFiles=["examples/devices"],
    description="Device models written for this product, built into QEMU.",
)
usb = Process("USB devices", kind="usb-device", inBoundary=sandbox, description="xHCI controller, tablet, redirection.")
qmp = Process("QMP socket", kind="control-socket", inBoundary=sandbox, description="Monitor and guest-agent channel.")
vnc = Server("VNC console", kind="console", inBoundary=sandbox, description="Screen and keyboard of the guest.")

# ------------------------------------------------------------------------------------------------ host user space

libvirt = Server("libvirt daemon", kind="libvirt", inBoundary=host, OS="Linux", description="Starts and changes VMs.")
host_os = Process(
    "Host system", kind="host-os", inBoundary=host, description="Packages, units and settings as installed."
)
sshd = Server("SSH daemon", kind="ssh", inBoundary=host, OS="Linux", description="Administrators' way onto the host.")
images = Datastore(
    "Disk image files",
    kind="disk-image",
    tags=["shared", "snapshots"],
    inBoundary=host,
    type=DatastoreType.FILE_SYSTEM,
    isSQL=False,
    isShared=True,
    hasWriteAccess=True,
    storesSensitiveData=True,
    description="qcow2 and raw files, snapshots, uploaded images, saved memory.",
)
updater = Process("Update agent", kind="update", inBoundary=host, description="apt: fetches and installs packages.")
healer = Process("Drift healing", kind="drift", inBoundary=host, description="Puts the host back to its wanted state.")
auditd = Process("Audit daemon", kind="log", inBoundary=host, description="Collects audit records and sends them on.")

# ----------------------------------------------------------------------------------------- the management network

plane = Server(
    "Management plane", kind="management", inBoundary=management, OS="Linux", description="API and web interface."
)
repository = Server("Update repository", kind="update", inBoundary=management, description="Packages of a release.")
log_host = Datastore(
    "Log host",
    kind="log",
    inBoundary=management,
    type=DatastoreType.FILE_SYSTEM,
    isSQL=False,
    storesLogData=True,
    description="Keeps the records of all hosts.",
)
peer = Server("Peer host", kind="peer", inBoundary=cluster, description="Another host of the cluster.", inScope=False)


def flow(source, sink, name, kind, carries, **more):
    return Dataflow(source=source, sink=sink, name=name, kind=kind, data=carries, **more)


START, INPUT_OUTPUT, MIGRATE = (
    "A tenant starts a VM",
    "A guest reads a block and sends a packet",
    "A VM moves to another host",
)

# ------------------------------------------------------------------------------------------------- a VM is started

flow(
    tenant,
    plane,
    "Tenant calls the API",
    "mgmt-net",
    [tenant_login, host_commands],
    protocol="HTTPS",
    order=1,
    scenario=START,
)
flow(administrator, plane, "Administrator signs in", "mgmt-net", [admin_login, host_commands], protocol="HTTPS")
flow(
    plane,
    libvirt,
    "Plane commands the host",
    "mgmt-net",
    [host_commands, vm_definition],
    protocol="TLS",
    order=2,
    scenario=START,
)
flow(plane, images, "Tenant's image is stored", "storage-net", [guest_disk], order=3, scenario=START)
flow(libvirt, qemu, "libvirt starts QEMU", "call", [vm_definition], order=4, scenario=START)
flow(libvirt, qmp, "libvirt commands the monitor", "local", [host_commands], order=5, scenario=START)
flow(qmp, qemu, "Monitor commands reach QEMU", "call", [host_commands], order=6, scenario=START)
flow(qemu, images, "QEMU opens its images", "file", [guest_disk], order=7, scenario=START)
flow(qemu, kvm, "QEMU runs the virtual CPUs", "call", [guest_memory], order=8, scenario=START)

# -------------------------------------------------------------------------------------------- a guest at work

flow(guest, kvm, "Guest exits to KVM", "trap", [device_requests], order=10, scenario=INPUT_OUTPUT)
flow(kvm, qemu, "KVM hands an exit to QEMU", "call", [device_requests], order=11, scenario=INPUT_OUTPUT)
flow(guest, virtio, "Guest fills virtio rings", "queue", [device_requests, guest_disk], order=12, scenario=INPUT_OUTPUT)
flow(virtio, block, "virtio reads and writes blocks", "call", [guest_disk], order=13, scenario=INPUT_OUTPUT)
flow(
    block,
    controller_vm,
    "Host asks for blocks",
    "storage-net",
    [guest_disk],
    protocol="iSCSI",
    order=14,
    scenario=INPUT_OUTPUT,
)
flow(
    controller_vm,
    block,
    "Controller returns blocks",
    "storage-net",
    [guest_disk],
    protocol="iSCSI",
    order=15,
    scenario=INPUT_OUTPUT,
)
flow(
    guest, vhost, "Guest fills vhost rings", "queue", [device_requests, guest_packets], order=16, scenario=INPUT_OUTPUT
)
flow(vhost, switch, "vhost sends packets", "call", [guest_packets], order=17, scenario=INPUT_OUTPUT)
flow(switch, neighbour, "Packets reach the neighbour", "guest-net", [guest_packets], order=18, scenario=INPUT_OUTPUT)
flow(neighbour, switch, "Neighbour sends packets", "guest-net", [guest_packets])
flow(switch, vhost, "Packets arrive for the guest", "call", [guest_packets])
flow(virtio, guest, "virtio completes requests", "queue", [guest_disk], order=19, scenario=INPUT_OUTPUT)
flow(controller_vm, disks, "Controller VM drives its disks", "trap", [guest_disk])
flow(disks, controller_vm, "Disk controller writes memory", "dma", [guest_disk])
flow(guest, pci, "Guest programs PCI devices", "trap", [device_requests])
flow(pci, guest, "PCI devices write guest memory", "dma", [guest_memory])
flow(pci, switch, "Emulated NIC sends packets", "call", [guest_packets])
flow(guest, own, "Guest programs our devices", "trap", [device_requests])
flow(own, guest, "Our devices write guest memory", "dma", [guest_memory])
flow(qemu, own, "QEMU drives our devices", "call", [device_requests])
flow(guest, usb, "Guest programs the USB controller", "trap", [device_requests])
flow(usb, guest, "USB devices write guest memory", "dma", [guest_memory])
flow(qemu, virtio, "QEMU drives virtio", "call", [device_requests])
flow(qemu, pci, "QEMU drives PCI devices", "call", [device_requests])
flow(qemu, usb, "QEMU drives USB devices", "call", [device_requests])
flow(virtio, qmp, "Guest agent answers", "local", [device_requests])
flow(qemu, vnc, "QEMU draws the screen", "call", [console_stream])
flow(tenant, vnc, "Tenant opens the console", "console-net", [tenant_login, console_stream], protocol="VNC")

# ---------------------------------------------------------------------------------------------------- migration

flow(
    plane,
    peer,
    "Plane prepares the other host",
    "mgmt-net",
    [host_commands],
    protocol="TLS",
    order=20,
    scenario=MIGRATE,
)
flow(qemu, peer, "VM leaves for another host", "migration", [guest_memory], protocol="TCP", order=21, scenario=MIGRATE)
flow(
    peer, qemu, "VM arrives from another host", "migration", [guest_memory], protocol="TCP", order=22, scenario=MIGRATE
)

# ------------------------------------------------------------------------------------------- the host over time

flow(boot, host_os, "Boot chain starts the system", "boot", [measurements])
flow(boot, log_host, "Measurements are compared elsewhere", "log", [measurements])
flow(administrator, sshd, "Administrator logs in", "mgmt-net", [admin_login], protocol="SSH")
flow(sshd, host_os, "Administrator changes the host", "call", [host_commands])
flow(repository, updater, "Host fetches packages", "update", [packages], protocol="HTTPS")
flow(updater, host_os, "Packages are installed", "file", [packages])
flow(updater, boot, "Kernel and loader are replaced", "file", [packages])
flow(plane, healer, "Plane sends the wanted state", "mgmt-net", [wanted_state], protocol="TLS")
flow(healer, host_os, "Drift is put right", "call", [wanted_state])
flow(libvirt, auditd, "libvirt records changes", "local", [audit_records])
flow(host_os, auditd, "Kernel and logins are recorded", "local", [audit_records])
flow(auditd, log_host, "Records leave the host", "log", [audit_records], protocol="TLS")
flow(plane, log_host, "Plane records changes", "log", [audit_records], protocol="TLS")
