/*
 * A stand-in for dm-snapshot: structures of the layout that the kernel's
 * struct target_type has from its name on, and nothing else of the kernel.
 * build.sh compiles it for machines of every word size and byte order.
 *
 * VERSION   three numbers with commas between
 * FEATURES  with the field "features" in front, as kernels since 3.x have it
 * TWICE     with a second target of the same name and another version
 * NO_TARGET without the targets
 * BUILTIN   as linked into a kernel image: no struct module
 */

struct module {
	char name[64];
};

#ifdef BUILTIN
#define THIS_MODULE ((struct module *)0)
#else
struct module __this_module __attribute__((used, section(".gnu.linkonce.this_module"))) = {
	"dm_snapshot"
};
#define THIS_MODULE (&__this_module)
static const char license[] __attribute__((used, section(".modinfo"))) = "license=MIT";
static const char vermagic[] __attribute__((used, section(".modinfo"))) = "vermagic=6.1.0-fixture SMP mod_unload ";
#endif

struct target_type {
#ifdef FEATURES
	unsigned long long features;
#endif
	const char *name;
	struct module *module;
	unsigned version[3];
	int (*ctr)(void *, unsigned, char **);
	void (*dtr)(void *);
	int (*map)(void *, void *);
	int (*end_io)(void *, void *);
	void *rest[8];
};

static volatile int calls;

static int ctr(void *ti, unsigned argc, char **argv)
{
	return ti && argv ? (int)argc : (calls += 1);
}

static void dtr(void *ti)
{
	calls += ti != 0;
}

static int map(void *ti, void *bio)
{
	return ti == bio ? 1 : (calls += 2);
}

static int end_io(void *ti, void *bio)
{
	return ti != bio ? 3 : (calls += 3);
}

static const char merge_name[] = "snapshot-merge";

/* Decoys: other structures that point to the same name, as kernels have them. */
struct misc {
	int minor;
	const char *name;
	const void *operations;
	int mode[4];
};

struct command {
	const char *name;
	int (*function)(void *, unsigned, char **);
	unsigned flags[3];
	int (*more[3])(void *, void *);
};

__attribute__((used)) static struct misc misc_device = { 231, "snapshot", &misc_device, { 1, 2, 3, 4 } };
__attribute__((used)) static struct command command = { "snapshot", ctr, { 9, 9, 9 }, { map, map, map } };

__attribute__((used)) static struct target_type merge_target = {
	.name = merge_name, .module = THIS_MODULE, .version = { 1, 5, 0 },
	.ctr = ctr, .dtr = dtr, .map = map, .end_io = end_io,
};

#ifndef NO_TARGET
__attribute__((used)) static struct target_type origin_target = {
	.name = "snapshot-origin", .module = THIS_MODULE, .version = { 1, 9, 0 },
	.ctr = ctr, .dtr = dtr, .map = map,
};

__attribute__((used)) static struct target_type snapshot_target = {
#ifdef FEATURES
	.features = 0x100,
#endif
	.name = "snapshot", .module = THIS_MODULE, .version = { VERSION },
	.ctr = ctr, .dtr = dtr, .map = map, .end_io = end_io,
};
#endif

#ifdef TWICE
__attribute__((used)) static struct target_type another_target = {
	.name = "snapshot", .module = THIS_MODULE, .version = { 1, 11, 1 },
	.ctr = ctr, .dtr = dtr, .map = map,
};
#endif

#ifdef BUILTIN
/* The start of a kernel image: arm64 kernels are known by the text at 56. */
__attribute__((used, section(".head"))) static const struct {
	unsigned code[14];
	char magic[8];
} head = { { 0 }, MAGIC };

void _start(void)
{
	calls += ctr(&origin_target, 0, 0);
}
#endif
