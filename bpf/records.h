/* What passes between the kernel and the daemon. The one declaration in C; tracer/kernel/records.py names the
 * same fields, and the loader refuses to start if the two differ.
 *
 * Births are nanoseconds of CLOCK_BOOTTIME. All other times are those of CLOCK_MONOTONIC, and those of queries of its
 * coarse form: a third of the cost, and up to one tick of the kernel behind. The daemon adds the difference between the
 * two clocks. All addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d.
 */

#define PATH_BYTES 128
#define COMM_BYTES 16

enum transport { UDP = 1, TCP = 2, TLS = 3 };

enum service { NSCD = 1, RESOLVED = 2, SSSD = 3 };

/* What is known of a process for as long as it runs one program. */
enum process_flag {
    ACTED = 1 << 0,         /* has queried or read resolv.conf: its exit is reported */
    READ_ONCE = 1 << 1,     /* has opened resolv.conf */
    FORKED = 1 << 2,        /* has forked since its resolver state began: children may share it */
    NSCD_FALLBACK = 1 << 3, /* found no nscd, and queried a nameserver on the same thread within a second */
    ANSWERED = 1 << 4,      /* << service: the lookup socket answered */
    REFUSED = 1 << 8,       /* << service: nobody was at the lookup socket */
};

/* In the number of a root directory: it was set by chroot, so it need not be the mount namespace's own. */
#define CHROOTED (1ULL << 63)

/* OPENED: a file named resolv.conf that is no view's, as far as the kernel side knows. */
enum record_kind { READ = 1, TRIED = 2, EXECED = 3, EXITED = 4, OPENED = 5 };

enum sharer { BY_CHILDREN = 1, BY_ANCESTORS = 2 };

/* How many ancestors with the same resolver state are kept of a process. Of a longer line the middle is left out. */
#define LINE 6
#define LINE_KEPT 3 /* the topmost of them */

enum loss {
    RING_FULL,        /* a record found no room */
    QUERIES_FULL,     /* a query found no room in its map */
    PROCESSES_FULL,   /* a process found no room in its map */
    TCP_UNATTRIBUTED, /* a segment of a connection whose process is not known */
    USER_MEMORY,      /* a path or an address could not be read from the process */
    CALLS_FULL,       /* an open or connect under way found no room in its map */
    LOSSES,
};

/* Who did it, as the lineage stood at that moment. The owner is the topmost living process of the line that has the same
 * resolver state; the process itself if there is none.
 */
struct subject {
    u64 birth;        /* when it was forked; 0 if that was not seen */
    u64 res_state_id; /* its resolver state's number: shared across fork, new at exec and at each read of resolv.conf */
    u64 root;         /* root directory and mount namespace: shared across fork, new at chroot and the like */
    u64 image;        /* the exec that it runs, the key of `images`; 0 if that was not seen */
    u64 parent_birth;
    u64 owner_birth;
    u64 checked; /* when it last did a stat of resolv.conf; 0: never */
    u64 cgroup;  /* 0 if the current task was another */
    u32 tgid;
    u32 execs;
    u32 parent_tgid;
    u32 owner_tgid;
    u32 owner_execs;
    u32 uid;
    u32 flags;
    u32 unused;
    char comm[COMM_BYTES]; /* empty if the current task was another */
};

struct record {
    struct subject subject;
    u64 time;
    u64 res_state_id_before; /* READ: the number of the resolver state that it had until then */
    u64 inode;               /* READ, OPENED: the file that was opened; 0 if that is not known */
    u32 device;              /* of the file system, as the kernel numbers it: major << 20 | minor */
    u32 shared;              /* READ: who else may have the state that it had until then, enum sharer */
    u32 kind;
    u32 service; /* TRIED */
    s32 result;  /* READ, TRIED: what the system call returned; EXITED: 1 if no thread is left for certain */
    u32 tid;
    char path[PATH_BYTES]; /* READ, OPENED: as the process wrote it; empty if it was another name than resolv.conf */
    u64 line[LINE];        /* READ: its line until then */
};

/* One process querying one nameserver. The kernel adds up one tick; the daemon takes it, and the next begins at 0. */
struct query_key {
    u64 netns; /* the network namespace's cookie; 0 if the kernel does not give it */
    u8 address[16];
    u32 tgid;
    u32 scope;     /* interface index, link-local addresses only */
    u32 tick_part; /* 0; or another part of the tick, before the process's resolver state or owner changed */
    u16 port;
    u8 transport;
    u8 unused;
};

struct queries {
    struct subject subject;
    s64 number;
    u64 handshakes; /* of them: segments of a TLS handshake */
    u64 first;      /* by the exact clock: it orders the entries of a tick, and what the records tell */
    u64 previous;   /* the one before the last; 0: none */
    u64 last;
    u64 seen;   /* what `changes` said of the process when it was described */
    u32 lookup; /* enum lookup, of the first of them */
    u32 strays; /* of them: datagrams of a thread that is not the one which last did a stat or a read of resolv.conf */
    u64 answered;         /* when the last answer was received, as far as that is seen (bpf/answers.c); 0: none was */
    u64 unanswered_since; /* the first query since then, or of all */
    u32 unanswered;       /* how many there were since then, or in all: one that is lost does not matter */
    u32 unused;
};

/* How a lookup came to be a query: decides whether nscd could answer it instead. */
enum lookup {
    LOOKUP_UNKNOWN,
    THROUGH_NSS, /* the same thread opened /etc/hosts shortly before */
    BY_ITSELF,   /* nobody in the process did */
    OTHER_TYPE,  /* a type that getaddrinfo(3) and gethostbyname(3) never query: MX, TXT, ... */
    NO_QUERY,    /* there was none yet in this tick, but an answer to one before */
};

/* Where most of a tick's queries are added up: a place that the key leads to without a search. */
enum slot_use { FREE, CLAIMED, READY };

struct slot {
    u64 use;
    u64 next; /* the number after that of the slot taken before it; 0: none was */
    struct query_key key;
    struct queries queries;
};

/* Index into the map `control`. The two ticks that are counted apart differ in the last bit of the tick's number,
 * which is added to the index of what is counted for each.
 */
enum control {
    TICK,                         /* the tick's number */
    LAST_TAKEN,                   /* the number after that of the slot taken last; its `next` leads to the others */
    MAP_ENTRIES = LAST_TAKEN + 2, /* how many entries in the map, of what found no slot */
    OWNERS = MAP_ENTRIES + 2, /* new whenever a process leaves a state that others may share: their owner is another */
    RESTING,                  /* the daemon sleeps until it is woken by the first query that is counted */
    MOUNTED,                  /* a mount was reported, and the daemon has not looked yet what it changed */
    CONTROLS,
};

/* What a record of eight bytes reports, which only wakes the daemon. */
enum wake { WAKE_COUNTED, WAKE_MOUNTED };

struct process {
    u64 birth;
    u64 res_state_id;
    u64 root;
    u64 image;
    u64 parent_birth;
    u64 checked;
    u64 refused;      /* when it last found nobody at nscd's socket */
    u64 hosts_opened; /* when it last opened /etc/hosts, as a lookup through NSS does first */
    u64 line[LINE];   /* its ancestors with the same resolver state, topmost first: ancestor() below */
    u32 refused_tid;
    u32 hosts_tid;
    u32 execs;
    u32 parent_tgid;
    u64 flags;
};

/* A file of a view: its inode, and its file system as the kernel numbers it. */
struct file_id {
    u64 inode;
    u64 device;
};

/* The process that connected a TCP socket, by the socket's cookie. */
struct connector {
    u64 birth;
    u64 res_state_id;
    u32 tgid;
    u32 execs;
    u32 end;    /* the sequence number after the last segment that was counted */
    u16 begun;  /* 0: none was */
    u16 lookup; /* enum lookup, at the connect */
};

struct image {
    char path[PATH_BYTES];
};
