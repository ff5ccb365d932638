/* A register that a guest may write, kept within its table. */
static unsigned int table[16];

static void level_write(unsigned int addr, unsigned int val)
{
    if (addr < sizeof(table) / sizeof(table[0])) {
        table[addr] = val;
    }
}
