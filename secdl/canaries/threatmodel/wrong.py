"""A small model that is wrong on purpose: the engine must say so in every run, or its evidence does not count."""

from pytm import TM, Boundary, Dataflow, ExternalEntity, Process

tm = TM("Canary", description="Planted defects.")
guests = Boundary("Guests")
host = Boundary("Host")
guest = ExternalEntity("Guest", kind="guest", inBoundary=guests)
device = Process("Device", kind="pci-device", inBoundary=host)
lonely = Process("Lonely console", kind="tenant", inBoundary=host)
strange = Process("Strange", kind="no-such-kind", inBoundary=host, inScope=False)
Dataflow(source=guest, sink=device, name="Guest programs the device", kind="trap")
Dataflow(source=device, sink=strange, name="Device calls", kind="call")
