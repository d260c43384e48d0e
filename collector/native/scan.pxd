"""What stands at a place of a payload: numbers, texts and times in their plainest form (RFC 8259, RFC 3339).

Rule 1: a payload ends with a zero byte, as every `bytes` of CPython does, and no form has one in it. Each byte is looked
        at before the next, so nothing is read behind the end.
Rule 2: NULL says that it is no such thing, or not in its plainest form. Somebody slower then has to say what it is.
Rule 3: the text of a number is also what a record would have of it: no form has two texts for one number.
"""

ctypedef const unsigned char* Place

cdef enum:
    # With so many, no two texts stand for the same double (IEEE 754, binary64).
    MOST_DIGITS = 15


cdef inline Place behind_blanks(Place at) noexcept nogil:
    while at[0] == c" " or at[0] == c"\n" or at[0] == c"\r" or at[0] == c"\t":
        at += 1
    return at


cdef inline Place behind_word(Place at, const char* word) noexcept nogil:
    """Behind *word*, or NULL."""
    while word[0]:
        if at[0] != word[0]:
            return NULL
        at += 1
        word += 1
    return at


cdef inline Place closing_quote(Place at) noexcept nogil:
    """The quote that ends the text at *at*, which is ASCII without escapes and control characters."""
    while at[0] != c'"':
        if at[0] < 0x20 or at[0] > 0x7E or at[0] == c"\\":
            return NULL
        at += 1
    return at


cdef inline Place behind_anything(Place at, int* levels) noexcept nogil:
    """Behind a value of whatever kind without escapes, or NULL. That it is JSON is for somebody else to say.

    If it is, no other value begins there: strings end with a quote, brackets come in pairs, and all else ends where
    none of its characters follows. *levels* are those of its brackets.
    """
    cdef int depth = 0
    levels[0] = 0
    while at[0]:
        if at[0] == c'"':
            at += 1
            while at[0] != c'"':
                if at[0] == 0 or at[0] == c"\\":
                    return NULL
                at += 1
            at += 1
        elif at[0] == c"{" or at[0] == c"[":
            depth += 1
            levels[0] = max(levels[0], depth)
            at += 1
            continue
        elif at[0] == c"}" or at[0] == c"]":
            depth -= 1
            at += 1
        elif is_of_a_word(at[0]):
            while is_of_a_word(at[0]):
                at += 1
        elif depth:  # what stands between values
            at += 1
            continue
        if depth <= 0:
            return at if depth == 0 else NULL
    return NULL


cdef inline bint is_of_a_word(unsigned char byte) noexcept nogil:
    """Whether a number, `true`, `false` or `null` may have it."""
    return is_digit(byte) or c"a" <= byte <= c"z" or byte == c"E" or byte == c"." or byte == c"-" or byte == c"+"


cdef inline bint is_digit(unsigned char byte) noexcept nogil:
    return c"0" <= byte <= c"9"


cdef inline Place behind_digits(Place at, long long* value, int* digits) noexcept nogil:
    """Behind a run of digits, which may be empty; *value* and *digits* go on from what they are."""
    while is_digit(at[0]):
        digits[0] += 1
        if digits[0] > MOST_DIGITS:
            return NULL
        value[0] = value[0] * 10 + (at[0] - c"0")
        at += 1
    return at


cdef inline Place behind_whole(Place at, long long* value) noexcept nogil:
    """Behind a whole number without an exponent."""
    cdef bint negative = at[0] == c"-"
    cdef int digits = 0
    value[0] = 0
    if negative:
        at += 1
    if at[0] == c"0":
        if negative or is_digit(at[1]):
            return NULL
        return at + 1
    at = behind_digits(at, value, &digits)
    if at == NULL or digits == 0:
        return NULL
    if negative:
        value[0] = -value[0]
    return at


cdef inline Place behind_number(Place at, double* value) noexcept nogil:
    """Behind a number without an exponent and without needless zeros; below 0.1 only 0.0 itself."""
    cdef bint negative = at[0] == c"-"
    cdef int digits = 0, whole
    cdef long long read = 0
    cdef double scale = 1.0
    if negative:
        at += 1
    cdef bint small = at[0] == c"0"
    at = behind_digits(at, &read, &digits)
    if at == NULL or digits == 0 or (small and digits > 1) or (small and negative and at[0] != c"."):
        return NULL
    if at[0] == c".":
        whole = digits
        if small and at[1] == c"0" and (negative or is_digit(at[2])):
            return NULL
        at = behind_digits(at + 1, &read, &digits)
        if at == NULL or digits == whole or ((at - 1)[0] == c"0" and digits > whole + 1):
            return NULL
        for _ in range(digits - whole):
            scale *= 10
    # Both are exact, so the quotient is the double that stands nearest to the text.
    value[0] = -(read / scale) if negative else read / scale
    return at


cdef inline int two_digits(Place at, int most) noexcept nogil:
    """Two digits as a number of at most *most*, or -1."""
    if not is_digit(at[0]) or not is_digit(at[1]):
        return -1
    cdef int value = (at[0] - c"0") * 10 + (at[1] - c"0")
    return value if value <= most else -1


cdef inline int days_of(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef inline long long day_number(int year, int month, int day) noexcept nogil:
    """Days since 1970-01-01 in the Gregorian calendar, for years from 1 on; years begin with March here."""
    cdef long long years = year - (month <= 2)
    cdef int days = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return years * 365 + years // 4 - years // 100 + years // 400 + days - 719468


cdef inline Place behind_time(Place at, long long* milliseconds) noexcept nogil:
    """Behind a time in UTC, its quotes included: "2026-11-21T08:00:00Z", with up to six digits of a second's parts."""
    cdef int century, year, month, day, hour, minute, second, digits = 0
    cdef long long parts = 0
    if at[0] != c'"':
        return NULL
    century = two_digits(at + 1, 99)
    if century < 1:
        return NULL
    year = two_digits(at + 3, 99)
    if year < 0 or at[5] != c"-":
        return NULL
    month = two_digits(at + 6, 12)
    if month < 1 or at[8] != c"-":
        return NULL
    year += 100 * century
    day = two_digits(at + 9, days_of(year, month))
    if day < 1 or at[11] != c"T":
        return NULL
    hour = two_digits(at + 12, 23)
    if hour < 0 or at[14] != c":":
        return NULL
    minute = two_digits(at + 15, 59)
    if minute < 0 or at[17] != c":":
        return NULL
    second = two_digits(at + 18, 59)
    if second < 0:
        return NULL
    at += 20
    if at[0] == c".":
        at = behind_digits(at + 1, &parts, &digits)
        if at == NULL or digits == 0 or digits > 6:
            return NULL
        while digits < 3:
            parts *= 10
            digits += 1
        while digits > 3:
            parts //= 10
            digits -= 1
    if at[0] != c"Z" or at[1] != c'"':
        return NULL
    milliseconds[0] = ((day_number(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000 + parts
    return at + 2
