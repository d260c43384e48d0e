/* A subscriber that does nothing: counts what it receives at QoS 1, and lets libmosquitto acknowledge it at once.
 *
 *     yardstick PORT FILE
 *
 * FILE holds the count, eight bytes, mapped into memory so that who looks on costs it nothing.
 */
#include <fcntl.h>
#include <mosquitto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic unsigned long *count;

static void on_message(struct mosquitto *client, void *nothing, const struct mosquitto_message *message)
{
    (void)client, (void)nothing, (void)message;
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static void on_connect(struct mosquitto *client, void *nothing, int code)
{
    (void)nothing;
    if (code != 0)
        exit(1);
    mosquitto_subscribe(client, NULL, "ueip/v1/#", 1);
}

static void on_subscribe(struct mosquitto *client, void *nothing, int id, int granted, const int *qos)
{
    (void)client, (void)nothing, (void)id;
    if (granted != 1 || qos[0] != 1)
        exit(1);
    puts("ready");
    fflush(stdout);
}

int main(int given, char **words)
{
    if (given != 3)
        return 2;
    int file = open(words[2], O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, sizeof *count) != 0)
        return 2;
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new("yardstick", true, NULL);
    /* As the collector asks: MQTT 5, 2000 messages under way, no delay for acknowledgements. */
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, 2000);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_message_callback_set(client, on_message);
    if (mosquitto_connect(client, "127.0.0.1", atoi(words[1]), 0) != MOSQ_ERR_SUCCESS)
        return 1;
    return mosquitto_loop_forever(client, -1, 1);
}
