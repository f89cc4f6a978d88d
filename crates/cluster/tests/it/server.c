// The web server of these tests: answers every request with $VERSION.
// $UNHEALTHY: /healthz answers 503.  $EAT_MB: takes that much memory first.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    const char *version = getenv("VERSION"), *port = getenv("PORT"), *eat = getenv("EAT_MB");
    if (!port) { fprintf(stderr, "no PORT\n"); return 3; }
    for (long left = eat ? atol(eat) : 0; left > 0; left--) memset(malloc(1 << 20), 1, 1 << 20);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) { perror("listen"); return 4; }
    fprintf(stderr, "serving %s\n", version ? version : "");
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        char request[4096] = {0}, answer[256];
        if (read(client, request, sizeof request - 1) > 0) {
            int sick = getenv("UNHEALTHY") && strstr(request, "GET /healthz");
            const char *body = version ? version : "";
            int length = snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                                  sick ? "503 Sick" : "200 OK", strlen(body), body);
            if (write(client, answer, length) < 0) perror("write");
        }
        close(client);
    }
}
