#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
/* Looked at by BCC's headers only; the programs ask nothing of the kernel's version. */
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 15, 0)
