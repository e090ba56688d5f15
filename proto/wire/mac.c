/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/wire/mac.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool mac_parse(const char *text, uint8_t mac[MAC_SIZE])
{
    uint8_t out[MAC_SIZE];
    char separator = '\0';

    for (unsigned i = 0; i < MAC_SIZE; i++) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        text += 2;
        if (i == 0 && (*text == ':' || *text == '-'))
            separator = *text;
        if (i + 1 < MAC_SIZE && (separator == '\0' || *text++ != separator))
            return false;
    }
    if (*text != '\0')
        return false;
    memcpy(mac, out, MAC_SIZE);
    return true;
}

void mac_format(const uint8_t mac[MAC_SIZE], char text[MAC_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < MAC_SIZE; i++) {
        *text++ = digits[mac[i] >> 4];
        *text++ = digits[mac[i] & 15];
        *text++ = i + 1 < MAC_SIZE ? ':' : '\0';
    }
}
