/* The same as yardstick.c where libmosquitto is not to be had: reads, cuts into packets, acknowledges, counts.
 *
 *     yardstick_raw PORT FILE
 *
 * It checks nothing and is cheaper than any client: a stricter yardstick.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned char CONNECT[] = "\x10\x19\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x07\xd0\x00\x09yardstick";
static const unsigned char SUBSCRIBE[] = "\x82\x0f\x00\x01\x00\x00\x09ueip/v1/#\x01";
static unsigned char in[1 << 20], out[1 << 18];

int main(int given, char **words)
{
    if (given != 3)
        return 2;
    int file = open(words[2], O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, 8) != 0)
        return 2;
    volatile unsigned long *count = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int peer = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(peer, (struct sockaddr *)&to, sizeof to) != 0 || write(peer, CONNECT, sizeof CONNECT - 1) < 0)
        return 1;
    if (write(peer, SUBSCRIBE, sizeof SUBSCRIBE - 1) < 0)
        return 1;
    size_t have = 0;
    for (ssize_t got; (got = read(peer, in + have, sizeof in - have)) > 0;) {
        have += got;
        size_t at = 0, acks = 0;
        while (have - at >= 2) {
            size_t length = 0, head = 1, shift = 0;
            while (at + head < have && head < 5) {
                length |= (size_t)(in[at + head] & 0x7f) << shift;
                shift += 7;
                if (in[at + head++] < 0x80)
                    break;
            }
            if (in[at + head - 1] >= 0x80 || have - at < head + length)
                break;
            unsigned char *body = in + at + head;
            if (in[at] >> 4 == 3) { /* PUBLISH at QoS 1: its id stands behind the topic */
                size_t topic = body[0] << 8 | body[1];
                memcpy(out + acks, "\x40\x02", 2);
                memcpy(out + acks + 2, body + 2 + topic, 2);
                acks += 4;
                ++*count;
            } else if (in[at] >> 4 == 9) { /* SUBACK */
                puts("ready");
                fflush(stdout);
            }
            at += head + length;
        }
        if (acks && write(peer, out, acks) < 0)
            return 1;
        memmove(in, in + at, have -= at);
    }
    return 1;
}
