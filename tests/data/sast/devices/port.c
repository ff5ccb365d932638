/* A fragment of a device with defects, for captured scanner output. */

static void port_log(Port *s, hwaddr addr)
{
    qemu_log_mask(LOG_GUEST_ERROR, "port: 0x%" HWADDR_PRIx "\n", addr);
}

static void port_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Port *s = opaque;

    s->rate = PORT_CLOCK / value;
    s->bh = qemu_bh_new(port_flush, s);
    s->other = qemu_bh_new(port_other, s); /* nosemgrep */
}
