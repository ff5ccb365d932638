/*
 * Chime: a serial port with receive and transmit FIFOs, a fractional clock divider and a scratch ring.
 *
 * The wrong twin of examples/devices/chime_uart.c. A comment that names a rule marks a defect which that rule must
 * report in every run, or the run's evidence does not count. Never built.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "qemu/osdep.h"
#include "qemu/fifo8.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "chardev/char-fe.h"
#include "hw/irq.h"
#include "hw/qdev-properties-system.h"
#include "hw/sysbus.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"

#define TYPE_CHIME_UART "chime-uart"
OBJECT_DECLARE_SIMPLE_TYPE(ChimeUart, CHIME_UART)

#define CHIME_MMIO_SIZE   0x1000
#define CHIME_FIFO_BYTES  32
#define CHIME_CLOCK_HZ    24000000
#define CHIME_RING_SIZE   64

#define CHIME_DATA        0x00
#define CHIME_STATUS      0x04
#define CHIME_DIVIDER     0x08
#define CHIME_BAUD        0x0c
#define CHIME_IRQ_ENABLE  0x10
#define CHIME_RING_POS    0x14
#define CHIME_RING_DATA   0x18
#define CHIME_BYTE_LANES  0x20

#define STATUS_RX_READY   (1u << 0)
#define STATUS_TX_FULL    (1u << 1)
#define STATUS_OVERRUN    (1u << 2)

struct ChimeUart {
    SysBusDevice parent_obj;

    MemoryRegion mmio;
    CharBackend chr;
    qemu_irq irq;
    Fifo8 rx;
    Fifo8 tx;
    uint32_t status;
    uint32_t irq_enable;
    uint32_t baud;
    uint32_t ring_pos;
    uint8_t ring[CHIME_RING_SIZE];
};

static void chime_update(ChimeUart *s)
{
    s->status &= ~(STATUS_RX_READY | STATUS_TX_FULL);
    if (!fifo8_is_empty(&s->rx)) {
        s->status |= STATUS_RX_READY;
    }
    if (fifo8_is_full(&s->tx)) {
        s->status |= STATUS_TX_FULL;
    }
    qemu_set_irq(s->irq, !!(s->status & s->irq_enable));
}

static void chime_flush(ChimeUart *s)
{
    uint8_t byte;

    while (!fifo8_is_empty(&s->tx)) {
        byte = fifo8_pop(&s->tx);
        qemu_chr_fe_write_all(&s->chr, &byte, 1);
    }
}

static int chime_can_receive(void *opaque)
{
    ChimeUart *s = opaque;

    return fifo8_num_free(&s->rx);
}

static void chime_receive(void *opaque, const uint8_t *buf, int size)
{
    ChimeUart *s = opaque;

    if (size > fifo8_num_free(&s->rx)) {
        s->status |= STATUS_OVERRUN;
        return;
    }
    fifo8_push_all(&s->rx, buf, size);
    chime_update(s);
}

static uint8_t chime_take(ChimeUart *s)
{
    /* canary: secdl.device.fifo-unchecked */
    return fifo8_pop(&s->rx);
}

static void chime_put(ChimeUart *s, uint8_t byte)
{
    if (fifo8_is_full(&s->tx)) {
        s->status |= STATUS_OVERRUN;
        return;
    }
    fifo8_push(&s->tx, byte);
    chime_flush(s);
}

static void chime_store_ring(ChimeUart *s, uint8_t byte)
{
    /* canary: secdl.device.state-index-unchecked */
    s->ring[s->ring_pos++] = byte;
}

static uint64_t chime_read(void *opaque, hwaddr addr, unsigned size)
{
    ChimeUart *s = opaque;
    uint64_t value = 0;

    switch (addr) {
    case CHIME_DATA:
        value = chime_take(s);
        break;
    case CHIME_STATUS:
        value = s->status;
        s->status &= ~STATUS_OVERRUN;
        break;
    case CHIME_BAUD:
        value = s->baud;
        break;
    case CHIME_IRQ_ENABLE:
        value = s->irq_enable;
        break;
    case CHIME_RING_POS:
        value = s->ring_pos;
        break;
    case CHIME_BYTE_LANES ... CHIME_BYTE_LANES + 3:
        value = extract32(s->status, (addr & 3) * 8, 8);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "chime: read of 0x%" HWADDR_PRIx "\n", addr);
        break;
    }
    chime_update(s);
    return value;
}

static void chime_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    ChimeUart *s = opaque;

    switch (addr) {
    case CHIME_DATA:
        chime_put(s, value);
        break;
    case CHIME_DIVIDER:
        /* canary: secdl.device.guest-divisor */
        s->baud = CHIME_CLOCK_HZ / value;
        break;
    case CHIME_IRQ_ENABLE:
        s->irq_enable = value;
        break;
    case CHIME_RING_POS:
        s->ring_pos = value % CHIME_RING_SIZE;
        break;
    case CHIME_RING_DATA:
        chime_store_ring(s, value);
        break;
    default:
        /* canary: secdl.device.guest-reaches-abort */
        hw_error("chime: write of an unknown register\n");
    }
    chime_update(s);
}

/* canary: secdl.device.memory-ops-incomplete */
static const MemoryRegionOps chime_ops = {
    .write = chime_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static int chime_get_ring(QEMUFile *f, void *pv, size_t size, const VMStateField *field)
{
    ChimeUart *s = container_of(pv, ChimeUart, ring_pos);

    /* canary: secdl.device.migration-field-unchecked */
    s->ring_pos = qemu_get_be32(f);
    qemu_get_buffer(f, s->ring, sizeof(s->ring));
    return 0;
}

static int chime_put_ring(QEMUFile *f, void *pv, size_t size, const VMStateField *field, JSONWriter *vmdesc)
{
    ChimeUart *s = container_of(pv, ChimeUart, ring_pos);

    qemu_put_be32(f, s->ring_pos);
    qemu_put_buffer(f, s->ring, sizeof(s->ring));
    return 0;
}

static const VMStateInfo chime_ring_info = {
    .name = "chime ring",
    .get = chime_get_ring,
    .put = chime_put_ring,
};

static const VMStateDescription chime_vmstate = {
    .name = TYPE_CHIME_UART,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_FIFO8(rx, ChimeUart),
        VMSTATE_FIFO8(tx, ChimeUart),
        VMSTATE_UINT32(status, ChimeUart),
        VMSTATE_UINT32(irq_enable, ChimeUart),
        VMSTATE_UINT32(baud, ChimeUart),
        VMSTATE_SINGLE(ring_pos, ChimeUart, 1, chime_ring_info, uint32_t),
        VMSTATE_END_OF_LIST()
    }
};

static void chime_realize(DeviceState *dev, Error **errp)
{
    ChimeUart *s = CHIME_UART(dev);

    fifo8_create(&s->rx, CHIME_FIFO_BYTES);
    fifo8_create(&s->tx, CHIME_FIFO_BYTES);
    qemu_chr_fe_set_handlers(&s->chr, chime_can_receive, chime_receive, NULL, NULL, s, NULL, true);
}

static void chime_unrealize(DeviceState *dev)
{
    ChimeUart *s = CHIME_UART(dev);

    fifo8_destroy(&s->rx);
    fifo8_destroy(&s->tx);
}

static void chime_init(Object *obj)
{
    ChimeUart *s = CHIME_UART(obj);

    memory_region_init_io(&s->mmio, obj, &chime_ops, s, TYPE_CHIME_UART, CHIME_MMIO_SIZE);
    sysbus_init_mmio(SYS_BUS_DEVICE(obj), &s->mmio);
    sysbus_init_irq(SYS_BUS_DEVICE(obj), &s->irq);
}

static Property chime_properties[] = {
    DEFINE_PROP_CHR("chardev", ChimeUart, chr),
    DEFINE_PROP_END_OF_LIST(),
};

static void chime_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);

    dc->realize = chime_realize;
    dc->unrealize = chime_unrealize;
    dc->vmsd = &chime_vmstate;
    device_class_set_props(dc, chime_properties);
    set_bit(DEVICE_CATEGORY_INPUT, dc->categories);
}

static const TypeInfo chime_info = {
    .name = TYPE_CHIME_UART,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(ChimeUart),
    .instance_init = chime_init,
    .class_init = chime_class_init,
};

static void chime_register_types(void)
{
    type_register_static(&chime_info);
}

type_init(chime_register_types)
