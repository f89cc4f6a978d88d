/* A web service of one page: which version is this, and does it greet? */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "greeting.h"

static void answer(int client, const char *version)
{
    char request[2048] = "", body[512], head[256];
    if (read(client, request, sizeof request - 1) <= 0)
        return;
    int status = 200;
    if (strncmp(request, "GET /healthz ", 13) == 0) {
        snprintf(body, sizeof body, "ok\n");
    } else if (strncmp(request, "GET /version ", 13) == 0) {
        const char *greeting = greet("visitor");
        status = greeting ? 200 : 500;
        snprintf(body, sizeof body, "{\"version\": \"%s\", \"greeting\": \"%s\"}\n", version, greeting ? greeting : "");
        if (!greeting)
            fprintf(stderr, "no greeting for a visitor\n");
    } else {
        status = 404;
        snprintf(body, sizeof body, "try /version\n");
    }
    snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
             status == 200 ? "OK" : "Error", strlen(body));
    if (write(client, head, strlen(head)) < 0 || write(client, body, strlen(body)) < 0)
        perror("write");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const char *port = getenv("PORT"), *version = getenv("VERSION");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)atoi(port ? port : "8080"));
    int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(server, (struct sockaddr *)&address, sizeof address) < 0 || listen(server, 64) < 0) {
        perror("listen");
        return 1;
    }
    printf("version %s listens on port %d\n", version ? version : "?", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (client < 0)
            continue;
        answer(client, version ? version : "?");
        close(client);
    }
}
