/* The one file that is compiled: see hatch_build.py. */

#include "json_numbers.c"
#include "trees.c"

/* Raised with every change of a signature, and with it `app.native.VERSION`. */
int kernels_version(void) { return 1; }
