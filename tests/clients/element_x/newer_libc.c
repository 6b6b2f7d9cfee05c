/* The two functions of glibc 2.38 that the library asks for, by those of older releases. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

long __isoc23_strtol(const char *text, char **end, int base) { return strtol(text, end, base); }

int __isoc23_sscanf(const char *text, const char *format, ...) {
    va_list found;
    va_start(found, format);
    int count = vsscanf(text, format, found);
    va_end(found);
    return count;
}
