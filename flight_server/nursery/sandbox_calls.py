"""The numbers of the system calls that the filter knows, on x86_64 and on aarch64 (asm/unistd_64.h, asm-generic/unistd.h)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

#: On x86_64, on aarch64; None where there is no such call.
Numbers: TypeAlias = tuple[int | None, int | None]

#: Whoever calls these is refused.
REFUSED: Mapping[str, Numbers] = MappingProxyType(
    {
        # Programs and processes; clone is looked at closer.
        "execve": (59, 221),
        "execveat": (322, 281),
        "fork": (57, None),
        "vfork": (58, None),
        # The memory and the descriptors of other processes.
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "process_madvise": (440, 440),
        "process_mrelease": (448, 448),
        "kcmp": (312, 272),
        "pidfd_open": (434, 434),
        "pidfd_getfd": (438, 438),
        "pidfd_send_signal": (424, 424),
        "migrate_pages": (256, 238),
        "move_pages": (279, 239),
        # How others are scheduled.
        "setpriority": (141, 140),
        "sched_setscheduler": (144, 119),
        "sched_setparam": (142, 118),
        "sched_setattr": (314, 274),
        "ioprio_set": (251, 30),
        # What ends the pact with the parent beside prctl: another account. And the group by which a process is killed.
        "setuid": (105, 146),
        "setgid": (106, 144),
        "setreuid": (113, 145),
        "setregid": (114, 143),
        "setresuid": (117, 147),
        "setresgid": (119, 149),
        "setfsuid": (122, 151),
        "setfsgid": (123, 152),
        "setgroups": (116, 159),
        "setpgid": (109, 154),
        "setsid": (112, 157),
        # Memory in files that no folder has: neither a limit of memory nor one of files knows it.
        "memfd_create": (319, 279),
        "memfd_secret": (447, 447),
        # Limits, which root may raise; prlimit64 is looked at closer.
        "setrlimit": (160, 164),
        # The network; a pair of sockets is looked at closer.
        "socket": (41, 198),
        "bind": (49, 200),
        "connect": (42, 203),
        "listen": (50, 201),
        "accept": (43, 202),
        "accept4": (288, 242),
        # What processes of one account share beside files.
        "shmget": (29, 194),
        "shmat": (30, 196),
        "shmctl": (31, 195),
        "semget": (64, 190),
        "semop": (65, 193),
        "semtimedop": (220, 192),
        "semctl": (66, 191),
        "msgget": (68, 186),
        "msgsnd": (69, 189),
        "msgrcv": (70, 188),
        "msgctl": (71, 187),
        "mq_open": (240, 180),
        "mq_unlink": (241, 181),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
        # Ways around filters, and into the kernel.
        "io_uring_setup": (425, 425),
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        # Landlock does not see these: who watches a folder, who changes a file's mode, owner, times and attributes.
        "fanotify_init": (300, 262),
        "fanotify_mark": (301, 263),
        "inotify_init": (253, None),
        "inotify_init1": (294, 26),
        "inotify_add_watch": (254, 27),
        "name_to_handle_at": (303, 264),
        "open_by_handle_at": (304, 265),
        "chmod": (90, None),
        "fchmod": (91, 52),
        "fchmodat": (268, 53),
        "fchmodat2": (452, 452),
        "chown": (92, None),
        "lchown": (94, None),
        "fchown": (93, 55),
        "fchownat": (260, 54),
        "utime": (132, None),
        "utimes": (235, None),
        "futimesat": (261, None),
        "utimensat": (280, 88),
        "setxattr": (188, 5),
        "lsetxattr": (189, 6),
        "fsetxattr": (190, 7),
        "removexattr": (197, 14),
        "lremovexattr": (198, 15),
        "fremovexattr": (199, 16),
        # The machine itself.
        "sync": (162, 81),
        "syncfs": (306, 267),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsconfig": (431, 431),
        "fsmount": (432, 432),
        "fspick": (433, 433),
        "mount_setattr": (442, 442),
        "unshare": (272, 97),
        "setns": (308, 268),
        "swapon": (167, 224),
        "swapoff": (168, 225),
        "quotactl": (179, 60),
        "quotactl_fd": (443, 443),
        "acct": (163, 89),
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "delete_module": (176, 106),
        "kexec_load": (246, 104),
        "kexec_file_load": (320, 294),
        "reboot": (169, 142),
        "settimeofday": (164, 170),
        "clock_settime": (227, 112),
        "clock_adjtime": (305, 266),
        "adjtimex": (159, 171),
        "sethostname": (170, 161),
        "setdomainname": (171, 162),
        "syslog": (103, 116),
        "vhangup": (153, 58),
        "ioperm": (173, None),
        "iopl": (172, None),
        "personality": (135, 92),
        "modify_ldt": (154, None),
        "lookup_dcookie": (212, 18),
        "nfsservctl": (180, 42),
    }
)

#: Of those, what is refused without a sandbox too: without them limits would not hold, nor the pact with the parent.
REFUSED_ALWAYS = (
    *("fork", "vfork", "memfd_create", "memfd_secret"),
    *("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid"),
)

#: Whether these are refused depends on what they are called with.
EXAMINED: Mapping[str, Numbers] = MappingProxyType(
    {
        "clone": (56, 220),
        "kill": (62, 129),
        "tkill": (200, 130),
        "tgkill": (234, 131),
        "rt_sigqueueinfo": (129, 138),
        "rt_tgsigqueueinfo": (297, 240),
        "socketpair": (53, 199),
        "fcntl": (72, 25),
        "ioctl": (16, 29),
        "prctl": (157, 167),
        "prlimit64": (302, 261),
        "sched_setaffinity": (203, 122),
        "open": (2, None),
        "openat": (257, 56),
        "truncate": (76, 45),
        "openat2": (437, 437),
    }
)

#: Its flags lie in memory, where a filter cannot look.
CLONE3 = 435
#: The first of those calls that nobody here has looked at; the kernel goes on numbering from there, on every machine alike.
UNKNOWN_FROM = 463
