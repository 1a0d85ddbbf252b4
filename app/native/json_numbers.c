/* The numbers of a JSON matrix, `[[0.1,-0.25,...],...]` or `[0.1,...]`, as float32.

   A general parser spends its time on what an ECG does not have: a tape of types, strings, nesting. This reads numbers of
   the plain kind and gives up on everything else (a NOT_PLAIN), which is then read, or refused by name, the general way.
   So it never decides that a text is wrong.

   A number is plain when its digits, point left out, are a whole number below 2^53 and its power of ten is within 22: both
   are exact doubles then, and one multiplication or division rounds once, to the double that a correct parser gives
   (W. D. Clinger, "How to read floating point numbers accurately", 1990). That double is rounded to float32, as the
   general way does. */

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "doubles are computed with more precision than they have: results would be rounded twice"
#endif

enum { NOT_PLAIN = 0, ROWS = 1, FLAT = 2 };

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define MAX_POWER 22
#define MAX_CHARACTERS 19 /* more digits could overflow 64 bits */
#define WORD_AND_SIGN 9
#define MAX_MANTISSA ((uint64_t)1 << 53)

static inline const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

static inline int is_digit(char character) { return (unsigned char)(character - '0') < 10; }

/* Digits at `at`, appended to the mantissa; returns where they end. */
static inline const char *read_digits(const char *at, const char *end, uint64_t *mantissa)
{
    while (at < end && is_digit(*at))
        *mantissa = *mantissa * 10 + (uint64_t)(*at++ - '0');
    return at;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* A number of one digit, a point, and `n_decimals` (1 to 3) behind it, then a comma or a bracket; `word` begins with it.
   Returns whether it was one. Where the next begins does not wait for anything that is computed here. */
static inline int read_fixed(uint64_t word, unsigned n_decimals, uint32_t is_negative, float *number)
{
    static const uint32_t SCALES[] = {1, 10, 100, 1000};
    static const uint64_t PLACES[] = {0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF};
    uint64_t digits = (word ^ 0x3030302E30u) & PLACES[n_decimals]; /* 0-9 where there is a digit, 0 for the point */
    uint64_t others = ((digits + 0x0606060006u) | digits) & PLACES[n_decimals] & 0xF0F0F0FFF0u;
    uint32_t behind = (uint32_t)(word >> 8 * (n_decimals + 2)) & 0xFF;
    if (others || (behind != ',' && behind != ']'))
        return 0;
    uint32_t whole = (uint32_t)(digits & 0xF);
    for (unsigned place = 2; place < n_decimals + 2; place++)
        whole = whole * 10 + ((uint32_t)(digits >> 8 * place) & 0xF);
    float value = (float)((double)(int32_t)whole / SCALES[n_decimals]);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits |= is_negative << 31; /* not a branch: nobody can foresee a sign */
    memcpy(number, &bits, sizeof bits);
    return 1;
}

/* A number as ECGs are mostly written, in millivolts to the microvolt: `-0.125`, `0.12`. All of it is in one word. Nine
   bytes must be readable. Returns where it ends, NULL where it is of another form. */
static inline const char *read_thousandths(const char *at, float *number)
{
    uint32_t is_negative = *at == '-';
    at += is_negative;
    uint64_t word;
    memcpy(&word, at, sizeof word);
    if (read_fixed(word, 3, is_negative, number))
        return at + 5;
    if (read_fixed(word, 2, is_negative, number))
        return at + 4;
    if (read_fixed(word, 1, is_negative, number))
        return at + 3;
    return NULL;
}
#else
static inline const char *read_thousandths(const char *at, float *number)
{
    (void)at, (void)number;
    return NULL;
}
#endif

/* What follows the `e`, added to the power of ten; returns where it ends, NULL where it is not plain. */
static const char *read_exponent(const char *at, const char *end, int *power)
{
    int is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const char *start = at;
    int value = 0;
    while (at < end && is_digit(*at) && value < 1000)
        value = value * 10 + (*at++ - '0');
    *power += is_negative ? -value : value;
    return at > start && !(at < end && is_digit(*at)) ? at : NULL;
}

/* One number at `at`; returns where it ends, NULL where it is not plain. */
static const char *read_number(const char *at, const char *end, float *number)
{
    int is_negative = at < end && *at == '-';
    at += is_negative;
    const char *start = at;
    uint64_t mantissa = 0;
    at = read_digits(at, end, &mantissa);
    if (at == start || (*start == '0' && at - start > 1))
        return NULL;
    int power = 0;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = read_digits(at, end, &mantissa);
        if (at == fraction)
            return NULL;
        power = (int)(fraction - at);
    }
    if (at < end && (*at | 0x20) == 'e' && !(at = read_exponent(at + 1, end, &power)))
        return NULL;
    if (at - start > MAX_CHARACTERS || mantissa > MAX_MANTISSA || power > MAX_POWER || power < -MAX_POWER)
        return NULL;
    double value = power < 0 ? (double)mantissa / POWERS[-power] : (double)mantissa * POWERS[power];
    if (value > FLT_MAX)
        return NULL;
    int is_integer_zero = !mantissa && at - start == 1; /* -0 is an integer and has no sign, -0.0 has */
    *number = (float)(is_negative && !is_integer_zero ? -value : value);
    return at;
}

/* Numbers with commas between them, from behind their `[` to behind their `]`; returns where they end. */
static inline const char *read_row(const char *at, const char *end, float *out, size_t room, size_t *n_numbers)
{
    for (size_t n = 0; n < room;) {
        at = skip_space(at, end);
        const char *behind = end - at >= WORD_AND_SIGN ? read_thousandths(at, out + n) : NULL;
        if (!behind && !(behind = read_number(at, end, out + n)))
            return NULL;
        n++;
        at = skip_space(behind, end);
        if (at == end)
            return NULL;
        if (*at == ']') {
            *n_numbers = n;
            return at + 1;
        }
        if (*at++ != ',')
            return NULL;
    }
    return NULL;
}

/* Rows of one length, from behind the outer `[` to behind its `]`; returns where they end. */
static const char *read_rows(const char *at, const char *end, float *out, size_t room, size_t *n_rows, size_t *n_columns)
{
    size_t rows = 0, columns = 0, length;
    for (;;) {
        at = skip_space(at, end);
        if (at == end || *at != '[' || !(at = read_row(at + 1, end, out + rows * columns, room, &length)))
            return NULL;
        if (rows++ == 0)
            columns = length;
        if (length != columns)
            return NULL;
        room -= length;
        at = skip_space(at, end);
        if (at == end)
            return NULL;
        if (*at == ']')
            break;
        if (*at++ != ',')
            return NULL;
    }
    *n_rows = rows;
    *n_columns = columns;
    return at + 1;
}

/* Read the value of a member whose name has just ended, if it is a matrix or a list of plain numbers.

   text, n_bytes  what follows the name: `: [[...` and all the rest
   out, room      where the numbers go, in their order, and how many fit
   value          where the value begins and ends in the text
   shape          rows and columns; of a list its length and 1 */
int read_plain_numbers(const char *text, size_t n_bytes, float *out, size_t room, size_t value[2], size_t shape[2])
{
    const char *end = text + n_bytes;
    const char *at = skip_space(text, end);
    if (at == end || *at++ != ':')
        return NOT_PLAIN;
    at = skip_space(at, end);
    if (at == end || *at != '[')
        return NOT_PLAIN;
    value[0] = (size_t)(at - text);
    const char *inside = skip_space(++at, end);
    int is_rows = inside < end && *inside == '[';
    shape[1] = 1;
    at = is_rows ? read_rows(at, end, out, room, &shape[0], &shape[1]) : read_row(at, end, out, room, &shape[0]);
    if (!at)
        return NOT_PLAIN;
    value[1] = (size_t)(at - text);
    return is_rows ? ROWS : FLAT;
}
