/* What the service says to whom. */
#include <stddef.h>

static const char *greet(const char *name)
{
    return name ? "Hello" : NULL;
}
