// A skill in C, of a world of its own: its one function is its tool.

#include "words_skill.h"

#include <stdlib.h>
#include <string.h>

#include <stdbool.h>

static bool is_space(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool exports_examples_words_words_count(words_skill_string_t *text, exports_examples_words_words_counted_t *answer,
                                        words_skill_string_t *error) {
    size_t start = 0, longest = 0, length = 0;
    answer->words = 0;
    for (size_t end = 0; end <= text->len; end++) {
        if (end < text->len && !is_space(text->ptr[end])) {
            continue;
        }
        if (end > start) {
            answer->words++;
        }
        if (end - start > length) {
            longest = start;
            length = end - start;
        }
        start = end + 1;
    }
    bool found = answer->words > 0;
    if (found) {
        words_skill_string_dup_n(&answer->longest, (const char *)text->ptr + longest, length);
    } else {
        words_skill_string_dup(error, "the text has no words");
    }
    words_skill_string_free(text);
    return found;
}
