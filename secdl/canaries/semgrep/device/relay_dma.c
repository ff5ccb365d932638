/*
 * Relay: a PCI copy engine. The guest writes a command block into its memory and rings a doorbell; the engine copies
 * or fills, and reads a list or a chain of segments.
 *
 * The wrong twin of examples/devices/relay_dma.c. A comment that names a rule marks a defect which that rule must
 * report in every run, or the run's evidence does not count. Never built.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "sysemu/dma.h"

#define TYPE_RELAY_DMA "relay-dma"
OBJECT_DECLARE_SIMPLE_TYPE(RelayDma, RELAY_DMA)

#define RELAY_MMIO_SIZE     0x100
#define RELAY_BUFFER_BYTES  4096
#define RELAY_SEGMENTS_MAX  32

#define RELAY_COMMAND       0x00
#define RELAY_DOORBELL      0x08
#define RELAY_STATUS        0x0c
#define RELAY_CHANNEL       0x10
#define RELAY_CREDITS       0x14
#define RELAY_MIRROR        0x80

#define OP_FILL             1
#define OP_COPY             2
#define OP_GATHER           3
#define OP_CHAIN            4

#define STATUS_DONE         (1u << 0)
#define STATUS_ERROR        (1u << 1)

typedef struct RelayCommand {
    uint32_t op;
    uint32_t len;
    uint64_t from;
    uint64_t to;
    uint32_t segments;
    uint32_t pattern;
} RelayCommand;

typedef struct RelaySegment {
    uint64_t addr;
    uint32_t len;
    uint32_t reserved;
} RelaySegment;

struct RelayDma {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    uint64_t command;
    uint32_t status;
    uint32_t channel;
    uint64_t moved;
    uint32_t credits[8];
    uint8_t buffer[RELAY_BUFFER_BYTES];
};

static void relay_finish(RelayDma *s, uint32_t status)
{
    s->status = status;
    pci_set_irq(PCI_DEVICE(s), 1);
}

static bool relay_fill(RelayDma *s, const RelayCommand *cmd)
{
    uint32_t len = le32_to_cpu(cmd->len);

    if (len > sizeof(s->buffer)) {
        return false;
    }
    memset(s->buffer, le32_to_cpu(cmd->pattern) & 0xff, len);
    return pci_dma_write(PCI_DEVICE(s), le64_to_cpu(cmd->to), s->buffer, len) == MEMTX_OK;
}

static bool relay_copy(RelayDma *s, const RelayCommand *cmd)
{
    uint32_t len = le32_to_cpu(cmd->len);

    /* canary: secdl.device.guest-length-copied */
    if (pci_dma_read(PCI_DEVICE(s), le64_to_cpu(cmd->from), s->buffer, len) != MEMTX_OK) {
        return false;
    }
    return pci_dma_write(PCI_DEVICE(s), le64_to_cpu(cmd->to), s->buffer, len) == MEMTX_OK;
}

static bool relay_gather(RelayDma *s, const RelayCommand *cmd)
{
    uint32_t segments = le32_to_cpu(cmd->segments);
    g_autofree RelaySegment *list = NULL;
    QEMUSGList sg;
    uint32_t i;

    /* canary: secdl.device.guest-size-allocated */
    list = g_new0(RelaySegment, segments);
    if (pci_dma_read(PCI_DEVICE(s), le64_to_cpu(cmd->from), list, segments * sizeof(*list)) != MEMTX_OK) {
        return false;
    }
    pci_dma_sglist_init(&sg, PCI_DEVICE(s), segments);
    /* canary: secdl.device.guest-loop-bound */
    for (i = 0; i < segments; i++) {
        if (list[i].reserved) {
            /* canary: secdl.device.scatter-list-lost */
            return false;
        }
        qemu_sglist_add(&sg, le64_to_cpu(list[i].addr), le32_to_cpu(list[i].len));
    }
    dma_buf_write(s->buffer, MIN(sg.size, sizeof(s->buffer)), NULL, &sg, MEMTXATTRS_UNSPECIFIED);
    qemu_sglist_destroy(&sg);
    return true;
}

static bool relay_chain(RelayDma *s, const RelayCommand *cmd)
{
    uint64_t next = le64_to_cpu(cmd->from);
    RelaySegment segment;

    /* canary: secdl.device.descriptor-loop-unbounded */
    while (1) {
        if (pci_dma_read(PCI_DEVICE(s), next, &segment, sizeof(segment)) != MEMTX_OK) {
            return false;
        }
        s->moved += le32_to_cpu(segment.len);
        next = le64_to_cpu(segment.addr);
        if (!next) {
            return true;
        }
    }
}

static void relay_run(RelayDma *s)
{
    RelayCommand cmd;
    bool done = false;

    if (pci_dma_read(PCI_DEVICE(s), s->command, &cmd, sizeof(cmd)) != MEMTX_OK) {
        relay_finish(s, STATUS_ERROR);
        return;
    }
    switch (le32_to_cpu(cmd.op)) {
    case OP_FILL:
        done = relay_fill(s, &cmd);
        break;
    case OP_COPY:
        done = relay_copy(s, &cmd);
        break;
    case OP_GATHER:
        done = relay_gather(s, &cmd);
        break;
    case OP_CHAIN:
        done = relay_chain(s, &cmd);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "relay: no operation %u\n", le32_to_cpu(cmd.op));
        break;
    }
    relay_finish(s, done ? STATUS_DONE : STATUS_ERROR);
}

static uint64_t relay_register(RelayDma *s, hwaddr addr)
{
    switch (addr) {
    case RELAY_STATUS:
        return s->status;
    case RELAY_CHANNEL:
        return s->channel;
    case RELAY_CREDITS:
        return s->credits[s->channel % ARRAY_SIZE(s->credits)];
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "relay: no register 0x%" HWADDR_PRIx "\n", addr);
        return 0;
    }
}

/* canary: secdl.device.handler-calls-itself */
static uint64_t relay_read(void *opaque, hwaddr addr, unsigned size)
{
    if (addr >= RELAY_MIRROR) {
        return relay_read(opaque, addr - RELAY_MIRROR, size);
    }
    return relay_register(opaque, addr);
}

static void relay_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    RelayDma *s = opaque;

    switch (addr) {
    case RELAY_COMMAND:
        s->command = value;
        break;
    case RELAY_DOORBELL:
        relay_run(s);
        break;
    case RELAY_STATUS:
        s->status &= ~value;
        pci_set_irq(PCI_DEVICE(s), 0);
        break;
    case RELAY_CHANNEL:
        if (value >= ARRAY_SIZE(s->credits)) {
            qemu_log_mask(LOG_GUEST_ERROR, "relay: no channel %" PRIu64 "\n", value);
            break;
        }
        s->channel = value;
        break;
    case RELAY_CREDITS:
        s->credits[s->channel % ARRAY_SIZE(s->credits)] = value;
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "relay: write of 0x%" HWADDR_PRIx "\n", addr);
        break;
    }
}

static const MemoryRegionOps relay_ops = {
    .read = relay_read,
    .write = relay_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
};

static void relay_realize(PCIDevice *dev, Error **errp)
{
    RelayDma *s = RELAY_DMA(dev);

    pci_config_set_interrupt_pin(dev->config, 1);
    memory_region_init_io(&s->mmio, OBJECT(s), &relay_ops, s, TYPE_RELAY_DMA, RELAY_MMIO_SIZE);
    pci_register_bar(dev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
}

static int relay_post_load(void *opaque, int version_id)
{
    RelayDma *s = opaque;

    return s->channel < ARRAY_SIZE(s->credits) ? 0 : -EINVAL;
}

static const VMStateDescription relay_vmstate = {
    .name = TYPE_RELAY_DMA,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = relay_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, RelayDma),
        VMSTATE_UINT64(command, RelayDma),
        VMSTATE_UINT32(status, RelayDma),
        VMSTATE_UINT32(channel, RelayDma),
        VMSTATE_UINT64(moved, RelayDma),
        VMSTATE_UINT32_ARRAY(credits, RelayDma, 8),
        VMSTATE_END_OF_LIST()
    }
};

static void relay_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(class);

    pc->realize = relay_realize;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT;
    pc->device_id = 0x5ec2;
    pc->class_id = PCI_CLASS_SYSTEM_OTHER;
    dc->vmsd = &relay_vmstate;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo relay_info = {
    .name = TYPE_RELAY_DMA,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(RelayDma),
    .class_init = relay_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void relay_register_types(void)
{
    type_register_static(&relay_info);
}

type_init(relay_register_types)
