/*
 * Vault: a virtio block device for sealed volumes. One request queue, requests are sealed with a per-volume key.
 *
 * The wrong twin of examples/devices/vault_blk.c. A comment that names a rule marks a defect which that rule must
 * report in every run, or the run's evidence does not count. Never built.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/module.h"
#include "hw/block/block.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio.h"
#include "sysemu/block-backend.h"
#include "migration/vmstate.h"

#define TYPE_VAULT_BLK "vault-blk"
OBJECT_DECLARE_SIMPLE_TYPE(VaultBlk, VAULT_BLK)

#define VAULT_ID             0x5e
#define VAULT_QUEUE_SIZE     128
#define VAULT_SECTOR_BYTES   512
#define VAULT_SECTORS_MAX    2048
#define VAULT_LABEL_BYTES    64

enum { VAULT_READ, VAULT_WRITE, VAULT_LABEL, VAULT_OPERATIONS };
enum { VAULT_OK, VAULT_IO_ERROR, VAULT_UNSUPPORTED };

typedef struct VaultHeader {
    uint32_t operation;
    uint32_t sectors;
    uint64_t first;
} VaultHeader;

typedef struct VaultInfo {
    uint8_t sealed;
    uint64_t sectors;
    uint16_t operations;
} VaultInfo;

struct VaultBlk {
    VirtIODevice parent_obj;

    BlockConf conf;
    VirtQueue *requests;
    QEMUBH *retry_bh;
    uint64_t sectors;
    uint32_t served[VAULT_OPERATIONS];
    char label[VAULT_LABEL_BYTES];
};

static uint8_t vault_transfer(VaultBlk *s, VirtQueueElement *elem, const VaultHeader *head)
{
    uint32_t sectors = le32_to_cpu(head->sectors);
    uint64_t first = le64_to_cpu(head->first);
    g_autofree uint8_t *data = NULL;
    size_t bytes;

    bytes = (size_t)sectors * VAULT_SECTOR_BYTES;
    /* canary: secdl.device.guest-size-allocated */
    data = g_malloc0(bytes);
    if (le32_to_cpu(head->operation) == VAULT_WRITE) {
        if (iov_to_buf(elem->out_sg, elem->out_num, sizeof(*head), data, bytes) != bytes) {
            return VAULT_IO_ERROR;
        }
        return blk_pwrite(s->conf.blk, first * VAULT_SECTOR_BYTES, bytes, data, 0) < 0 ? VAULT_IO_ERROR : VAULT_OK;
    }
    if (blk_pread(s->conf.blk, first * VAULT_SECTOR_BYTES, bytes, data, 0) < 0) {
        return VAULT_IO_ERROR;
    }
    /* canary: secdl.device.guest-length-copied */
    iov_from_buf(elem->in_sg, elem->in_num, 0, data, bytes);
    return VAULT_OK;
}

static uint8_t vault_describe(VaultBlk *s, VirtQueueElement *elem)
{
    VaultInfo info = {
        .sealed = 1,
        .sectors = cpu_to_le64(s->sectors),
        .operations = cpu_to_le16(VAULT_OPERATIONS),
    };

    iov_from_buf(elem->in_sg, elem->in_num, 0, &info, sizeof(info));
    return VAULT_OK;
}

static uint8_t vault_set_label(VaultBlk *s, VirtQueueElement *elem)
{
    size_t bytes = iov_size(elem->out_sg, elem->out_num);
    /* canary: secdl.device.stack-array-unbounded */
    char label[bytes];

    iov_to_buf(elem->out_sg, elem->out_num, 0, label, bytes);
    pstrcpy(s->label, sizeof(s->label), label);
    return vault_describe(s, elem);
}

static uint8_t vault_serve(VaultBlk *s, VirtQueueElement *elem, const VaultHeader *head)
{
    uint32_t operation = le32_to_cpu(head->operation);

    /* canary: secdl.device.assert-on-guest-state */
    assert(elem->in_num);
    s->served[operation]++;
    return operation == VAULT_LABEL ? vault_set_label(s, elem) : vault_transfer(s, elem, head);
}

static void vault_handle_requests(VirtIODevice *vdev, VirtQueue *vq)
{
    VaultBlk *s = VAULT_BLK(vdev);
    VirtQueueElement *elem;
    VaultHeader head;
    uint8_t status;
    size_t room;

    while ((elem = virtqueue_pop(vq, sizeof(VirtQueueElement)))) {
        if (iov_to_buf(elem->out_sg, elem->out_num, 0, &head, sizeof(head)) != sizeof(head)) {
            virtio_error(vdev, "vault: request without a whole header");
            /* canary: secdl.device.virtqueue-element-lost */
            g_free(elem);
            return;
        }
        room = iov_size(elem->in_sg, elem->in_num);
        if (room < sizeof(status)) {
            virtio_error(vdev, "vault: request without room for its status");
            virtqueue_detach_element(vq, elem, 0);
            g_free(elem);
            return;
        }
        status = vault_serve(s, elem, &head);
        iov_from_buf(elem->in_sg, elem->in_num, room - sizeof(status), &status, sizeof(status));
        virtqueue_push(vq, elem, room);
        g_free(elem);
    }
    virtio_notify(vdev, vq);
}

static void vault_retry(void *opaque)
{
    VaultBlk *s = opaque;

    vault_handle_requests(VIRTIO_DEVICE(s), s->requests);
}

static uint64_t vault_get_features(VirtIODevice *vdev, uint64_t features, Error **errp)
{
    return features;
}

static void vault_get_config(VirtIODevice *vdev, uint8_t *config)
{
    VaultBlk *s = VAULT_BLK(vdev);

    stq_le_p(config, s->sectors);
}

static void vault_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VaultBlk *s = VAULT_BLK(dev);

    if (!s->conf.blk) {
        error_setg(errp, "vault: drive property not set");
        return;
    }
    if (!blkconf_apply_backend_options(&s->conf, false, true, errp)) {
        return;
    }
    s->sectors = blk_getlength(s->conf.blk) / VAULT_SECTOR_BYTES;
    virtio_init(vdev, VAULT_ID, sizeof(uint64_t));
    s->requests = virtio_add_queue(vdev, VAULT_QUEUE_SIZE, vault_handle_requests);
    /* canary: secdl.device.bottom-half-wrong-guard */
    s->retry_bh = qemu_bh_new_guarded(vault_retry, s, &dev->mem_reentrancy_guard);
}

static void vault_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VaultBlk *s = VAULT_BLK(dev);

    qemu_bh_delete(s->retry_bh);
    virtio_del_queue(vdev, 0);
    virtio_cleanup(vdev);
}

static const VMStateDescription vault_vmstate = {
    .name = TYPE_VAULT_BLK,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    }
};

static Property vault_properties[] = {
    DEFINE_BLOCK_PROPERTIES(VaultBlk, conf),
    DEFINE_PROP_END_OF_LIST(),
};

static void vault_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(class);

    vdc->realize = vault_realize;
    vdc->unrealize = vault_unrealize;
    vdc->get_features = vault_get_features;
    vdc->get_config = vault_get_config;
    dc->vmsd = &vault_vmstate;
    device_class_set_props(dc, vault_properties);
    set_bit(DEVICE_CATEGORY_STORAGE, dc->categories);
}

static const TypeInfo vault_info = {
    .name = TYPE_VAULT_BLK,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VaultBlk),
    .class_init = vault_class_init,
};

static void vault_register_types(void)
{
    type_register_static(&vault_info);
}

type_init(vault_register_types)
