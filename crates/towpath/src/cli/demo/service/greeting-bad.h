/* What the service says to whom. */
#include <stddef.h>

static const char *greet(const char *name)
{
    return name && name[0] == 'V' ? "Hello, Visitor" : NULL;
}
