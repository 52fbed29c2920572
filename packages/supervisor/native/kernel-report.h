#ifndef SALLYPORT_KERNEL_REPORT_H
#define SALLYPORT_KERNEL_REPORT_H

/* Prints what this kernel can do, a `name value` line each, every one tried. The exit status. */
int print_kernel_report(void);

#endif
