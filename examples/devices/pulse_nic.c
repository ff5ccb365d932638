/*
 * Pulse: a small PCI network card with descriptor rings and a loopback mode.
 *
 * An example device model written for secdl in the style of QEMU's hw/net. It is complete but is not built here:
 * secdl's device rules read it and must find nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "net/net.h"
#include "net/eth.h"

#define TYPE_PULSE_NIC "pulse-nic"
OBJECT_DECLARE_SIMPLE_TYPE(PulseNic, PULSE_NIC)

#define PULSE_MMIO_SIZE     0x100
#define PULSE_RING_ENTRIES  64
#define PULSE_FRAME_MAX     (16 * KiB)
#define PULSE_TX_BUDGET     128

#define PULSE_CTRL          0x00
#define PULSE_STATUS        0x04
#define PULSE_TX_RING       0x08
#define PULSE_TX_TAIL       0x10
#define PULSE_RX_RING       0x18
#define PULSE_RX_TAIL       0x20
#define PULSE_IRQ_CAUSE     0x24
#define PULSE_IRQ_MASK      0x28
#define PULSE_STATS_ADDR    0x30
#define PULSE_FILTER_SELECT 0x38
#define PULSE_FILTER_DATA   0x3c

#define CTRL_ENABLE         (1u << 0)
#define CTRL_LOOPBACK       (1u << 1)
#define DESC_END            (1u << 0)
#define DESC_DONE           (1u << 1)
#define IRQ_TX              (1u << 0)
#define IRQ_RX              (1u << 1)
#define IRQ_ERROR           (1u << 2)

typedef struct PulseDesc {
    uint64_t addr;
    uint32_t len;
    uint32_t flags;
} PulseDesc;

typedef struct PulseStats {
    uint8_t version;
    uint64_t tx_frames;
    uint64_t rx_frames;
    uint32_t dropped;
} PulseStats;

struct PulseNic {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    NICState *nic;
    NICConf conf;
    QEMUBH *tx_bh;

    uint32_t ctrl;
    uint32_t irq_cause;
    uint32_t irq_mask;
    uint64_t tx_ring;
    uint64_t rx_ring;
    uint32_t tx_head;
    uint32_t tx_tail;
    uint32_t rx_head;
    uint32_t rx_tail;
    uint64_t stats_addr;
    uint32_t filter_index;
    uint32_t filter[16];

    uint64_t tx_frames;
    uint64_t rx_frames;
    uint32_t dropped;

    uint32_t frame_len;
    uint8_t frame[PULSE_FRAME_MAX];
};

/* The rings lie in RAM: an access that would reach a device's registers is refused by the bus. */
static const MemTxAttrs pulse_attrs = { .memory = true };

static void pulse_raise(PulseNic *s, uint32_t cause)
{
    s->irq_cause |= cause;
    pci_set_irq(PCI_DEVICE(s), !!(s->irq_cause & s->irq_mask));
}

static bool pulse_fetch(PulseNic *s, uint64_t ring, uint32_t slot, PulseDesc *desc)
{
    uint64_t addr = ring + (slot % PULSE_RING_ENTRIES) * sizeof(*desc);

    if (pci_dma_rw(PCI_DEVICE(s), addr, desc, sizeof(*desc), DMA_DIRECTION_TO_DEVICE, pulse_attrs) != MEMTX_OK) {
        return false;
    }
    desc->addr = le64_to_cpu(desc->addr);
    desc->len = le32_to_cpu(desc->len);
    desc->flags = le32_to_cpu(desc->flags);
    return true;
}

static void pulse_complete(PulseNic *s, uint64_t ring, uint32_t slot, uint32_t len)
{
    uint64_t addr = ring + (slot % PULSE_RING_ENTRIES) * sizeof(PulseDesc);
    PulseDesc done = {
        .len = cpu_to_le32(len),
        .flags = cpu_to_le32(DESC_DONE),
    };

    pci_dma_write(PCI_DEVICE(s), addr, &done, sizeof(done));
}

static void pulse_send_frame(PulseNic *s)
{
    NetClientState *nc = qemu_get_queue(s->nic);

    if (s->ctrl & CTRL_LOOPBACK) {
        qemu_receive_packet(nc, s->frame, s->frame_len);
    } else {
        qemu_send_packet(nc, s->frame, s->frame_len);
    }
    s->frame_len = 0;
    s->tx_frames++;
}

static bool pulse_append(PulseNic *s, const PulseDesc *desc)
{
    if (desc->len > sizeof(s->frame) - s->frame_len) {
        qemu_log_mask(LOG_GUEST_ERROR, "pulse: frame longer than %u bytes\n", PULSE_FRAME_MAX);
        s->frame_len = 0;
        s->dropped++;
        return false;
    }
    pci_dma_read(PCI_DEVICE(s), desc->addr, s->frame + s->frame_len, desc->len);
    s->frame_len += desc->len;
    return true;
}

static void pulse_transmit(void *opaque)
{
    PulseNic *s = opaque;
    PulseDesc desc;
    int budget;

    for (budget = PULSE_TX_BUDGET; budget > 0 && s->tx_head != s->tx_tail; budget--) {
        if (!pulse_fetch(s, s->tx_ring, s->tx_head, &desc)) {
            pulse_raise(s, IRQ_ERROR);
            return;
        }
        if (!pulse_append(s, &desc)) {
            pulse_raise(s, IRQ_ERROR);
        } else if (desc.flags & DESC_END) {
            pulse_send_frame(s);
        }
        pulse_complete(s, s->tx_ring, s->tx_head, desc.len);
        s->tx_head = (s->tx_head + 1) % PULSE_RING_ENTRIES;
    }
    if (s->tx_head != s->tx_tail) {
        qemu_bh_schedule(s->tx_bh);
    }
    pulse_raise(s, IRQ_TX);
}

static bool pulse_can_receive(NetClientState *nc)
{
    PulseNic *s = qemu_get_nic_opaque(nc);

    return (s->ctrl & CTRL_ENABLE) && s->rx_head != s->rx_tail;
}

static ssize_t pulse_receive(NetClientState *nc, const uint8_t *buf, size_t size)
{
    PulseNic *s = qemu_get_nic_opaque(nc);
    uint8_t padded[ETH_ZLEN];
    PulseDesc desc;

    if (s->rx_head == s->rx_tail || !pulse_fetch(s, s->rx_ring, s->rx_head, &desc)) {
        return 0;
    }
    if (size < sizeof(padded)) {
        memset(padded, 0, sizeof(padded));
        memcpy(padded, buf, size);
        buf = padded;
        size = sizeof(padded);
    }
    if (size > desc.len) {
        s->dropped++;
        return size;
    }
    pci_dma_write(PCI_DEVICE(s), desc.addr, buf, size);
    pulse_complete(s, s->rx_ring, s->rx_head, size);
    s->rx_head = (s->rx_head + 1) % PULSE_RING_ENTRIES;
    s->rx_frames++;
    pulse_raise(s, IRQ_RX);
    return size;
}

static void pulse_write_stats(PulseNic *s)
{
    PulseStats stats = {
        .version = 1,
        .tx_frames = cpu_to_le64(s->tx_frames),
        .rx_frames = cpu_to_le64(s->rx_frames),
        .dropped = cpu_to_le32(s->dropped),
    };

    pci_dma_write(PCI_DEVICE(s), s->stats_addr, &stats, sizeof(stats));
}

static void pulse_write_filter(PulseNic *s, uint32_t value)
{
    if (s->filter_index >= ARRAY_SIZE(s->filter)) {
        qemu_log_mask(LOG_GUEST_ERROR, "pulse: no filter %u\n", s->filter_index);
        return;
    }
    s->filter[s->filter_index] = value;
}

static uint64_t pulse_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    PulseNic *s = opaque;
    uint32_t cause;

    switch (addr) {
    case PULSE_CTRL:
        return s->ctrl;
    case PULSE_STATUS:
        return qemu_get_queue(s->nic)->link_down ? 0 : 1;
    case PULSE_IRQ_CAUSE:
        cause = s->irq_cause;
        s->irq_cause = 0;
        pci_set_irq(PCI_DEVICE(s), 0);
        return cause;
    case PULSE_FILTER_DATA:
        return s->filter_index < ARRAY_SIZE(s->filter) ? s->filter[s->filter_index] : 0;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "pulse: read of 0x%" HWADDR_PRIx "\n", addr);
        return 0;
    }
}

static void pulse_mmio_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    PulseNic *s = opaque;

    switch (addr) {
    case PULSE_CTRL:
        s->ctrl = value;
        break;
    case PULSE_TX_RING:
        s->tx_ring = value;
        break;
    case PULSE_TX_TAIL:
        s->tx_tail = value % PULSE_RING_ENTRIES;
        qemu_bh_schedule(s->tx_bh);
        break;
    case PULSE_RX_RING:
        s->rx_ring = value;
        break;
    case PULSE_RX_TAIL:
        s->rx_tail = value % PULSE_RING_ENTRIES;
        qemu_flush_queued_packets(qemu_get_queue(s->nic));
        break;
    case PULSE_IRQ_MASK:
        s->irq_mask = value;
        pulse_raise(s, 0);
        break;
    case PULSE_STATS_ADDR:
        s->stats_addr = value;
        pulse_write_stats(s);
        break;
    case PULSE_FILTER_SELECT:
        s->filter_index = value;
        break;
    case PULSE_FILTER_DATA:
        pulse_write_filter(s, value);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "pulse: write of 0x%" HWADDR_PRIx "\n", addr);
        break;
    }
}

static const MemoryRegionOps pulse_mmio_ops = {
    .read = pulse_mmio_read,
    .write = pulse_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
};

static NetClientInfo pulse_net_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .can_receive = pulse_can_receive,
    .receive = pulse_receive,
};

static void pulse_realize(PCIDevice *dev, Error **errp)
{
    PulseNic *s = PULSE_NIC(dev);
    DeviceState *qdev = DEVICE(dev);

    pci_config_set_interrupt_pin(dev->config, 1);
    memory_region_init_io(&s->mmio, OBJECT(s), &pulse_mmio_ops, s, "pulse-mmio", PULSE_MMIO_SIZE);
    pci_register_bar(dev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
    qemu_macaddr_default_if_unset(&s->conf.macaddr);
    s->nic = qemu_new_nic(&pulse_net_info, &s->conf, TYPE_PULSE_NIC, qdev->id, &qdev->mem_reentrancy_guard, s);
    qemu_format_nic_info_str(qemu_get_queue(s->nic), s->conf.macaddr.a);
    s->tx_bh = qemu_bh_new_guarded(pulse_transmit, s, &qdev->mem_reentrancy_guard);
}

static void pulse_exit(PCIDevice *dev)
{
    PulseNic *s = PULSE_NIC(dev);

    qemu_bh_delete(s->tx_bh);
    qemu_del_nic(s->nic);
}

static void pulse_reset(DeviceState *dev)
{
    PulseNic *s = PULSE_NIC(dev);

    qemu_bh_cancel(s->tx_bh);
    s->ctrl = 0;
    s->irq_cause = 0;
    s->irq_mask = 0;
    s->tx_head = s->tx_tail = 0;
    s->rx_head = s->rx_tail = 0;
    s->frame_len = 0;
    s->filter_index = 0;
    memset(s->filter, 0, sizeof(s->filter));
}

static int pulse_post_load(void *opaque, int version_id)
{
    PulseNic *s = opaque;

    if (s->frame_len > sizeof(s->frame) || s->filter_index >= ARRAY_SIZE(s->filter)) {
        return -EINVAL;
    }
    s->tx_head %= PULSE_RING_ENTRIES;
    s->rx_head %= PULSE_RING_ENTRIES;
    return 0;
}

static const VMStateDescription pulse_vmstate = {
    .name = TYPE_PULSE_NIC,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pulse_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, PulseNic),
        VMSTATE_UINT32(ctrl, PulseNic),
        VMSTATE_UINT32(irq_cause, PulseNic),
        VMSTATE_UINT32(irq_mask, PulseNic),
        VMSTATE_UINT64(tx_ring, PulseNic),
        VMSTATE_UINT64(rx_ring, PulseNic),
        VMSTATE_UINT32(tx_head, PulseNic),
        VMSTATE_UINT32(tx_tail, PulseNic),
        VMSTATE_UINT32(rx_head, PulseNic),
        VMSTATE_UINT32(rx_tail, PulseNic),
        VMSTATE_UINT32(frame_len, PulseNic),
        VMSTATE_UINT8_ARRAY(frame, PulseNic, PULSE_FRAME_MAX),
        VMSTATE_END_OF_LIST()
    }
};

static Property pulse_properties[] = {
    DEFINE_NIC_PROPERTIES(PulseNic, conf),
    DEFINE_PROP_END_OF_LIST(),
};

static void pulse_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(class);

    pc->realize = pulse_realize;
    pc->exit = pulse_exit;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT;
    pc->device_id = 0x5ec1;
    pc->class_id = PCI_CLASS_NETWORK_ETHERNET;
    dc->vmsd = &pulse_vmstate;
    device_class_set_legacy_reset(dc, pulse_reset);
    device_class_set_props(dc, pulse_properties);
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
}

static const TypeInfo pulse_info = {
    .name = TYPE_PULSE_NIC,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(PulseNic),
    .class_init = pulse_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void pulse_register_types(void)
{
    type_register_static(&pulse_info);
}

type_init(pulse_register_types)
