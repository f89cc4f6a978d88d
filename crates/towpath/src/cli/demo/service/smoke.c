/* The smoke test: the version page answers, shows the version that was deployed, and greets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
    printf("FAILED: %s\n", what);
    return 1;
}

int main(void)
{
    const char *host = getenv("WEB_SERVICE_HOST"), *port = getenv("WEB_SERVICE_PORT"), *version = getenv("EXPECTED_VERSION");
    if (!host || !port || !version)
        return fail("WEB_SERVICE_HOST, WEB_SERVICE_PORT and EXPECTED_VERSION must be set");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    inet_pton(AF_INET, host, &address.sin_addr);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(server, (struct sockaddr *)&address, sizeof address) < 0)
        return fail("the service does not answer");
    const char *request = "GET /version HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
    if (write(server, request, strlen(request)) < 0)
        return fail("the service hung up");
    char page[4096];
    size_t length = 0;
    for (ssize_t n; length < sizeof page - 1 && (n = read(server, page + length, sizeof page - 1 - length)) > 0;)
        length += (size_t)n;
    page[length] = '\0';
    printf("GET http://%s:%s/version\n%s\n", host, port, page);
    if (strncmp(page, "HTTP/1.1 200", 12) != 0)
        return fail("the version page does not answer 200");
    if (!strstr(page, version))
        return fail("the version page shows another version than the one deployed");
    if (!strstr(page, "\"greeting\": \"H"))
        return fail("the version page does not greet");
    printf("passed\n");
    return 0;
}
