// How long the pieces of prompts are that are read beside answers.

#include "check.h"
#include "piece_size.h"

using namespace overfill;

// Reads n pieces on a machine where a piece of k tokens takes `fixed + k * per_token` and answers `answers_ms` a round.
static uint32_t settle(piece_size & size, double answers_ms, double fixed, double per_token, int n = 60) {
    for (int i = 0; i < n; i++) {
        size.saw_answers(answers_ms);
        const uint32_t k = size.size();
        size.saw_piece(k, fixed + k * per_token);
    }
    return size.size();
}

TEST("settles where a piece takes its share of the time") {
    // A share of 0.6 is one and a half of what the answers take: 150 ms, of which 30 are fixed.
    piece_size size(0.6, 512);
    const uint32_t settled = settle(size, 100, 30, 10);
    CHECK(settled >= 11 && settled <= 12);
}

TEST("follows costs that grow with the context, and the number of answers") {
    piece_size size(0.5, 512);
    const uint32_t before = settle(size, 100, 0, 1);
    CHECK(before >= 99 && before <= 101);
    const uint32_t slower = settle(size, 100, 0, 4);
    CHECK(slower >= 24 && slower <= 26);
    const uint32_t more_answers = settle(size, 400, 0, 4);
    CHECK(more_answers >= 98 && more_answers <= 101);
}

TEST("never reads nothing, and never more than a micro-batch") {
    piece_size slow(0.5, 512);
    CHECK_EQUAL(settle(slow, 1, 1000, 1000), 1u);
    piece_size fast(0.5, 512);
    CHECK_EQUAL(settle(fast, 1000, 0.1, 0.001), 512u);
}

TEST("begins with a token, and does not try again and again what is too long") {
    // As a processor does whose kernels take two and a half times as long for two tokens as for one.
    piece_size size(0.6, 512);
    for (int i = 0; i < 100; i++) {
        CHECK_EQUAL(size.size(), 1u);
        size.saw_answers(155);
        size.saw_piece(size.size(), size.size() == 1 ? 120 : 150.0 * size.size());
    }
}

TEST("a single token that was fast now and then is no reason to read two again and again") {
    piece_size size(0.6, 512);
    int n_long = 0;
    for (int i = 0; i < 1000; i++) {
        size.saw_answers(107);
        const uint32_t n = size.size();
        n_long += n > 1;
        size.saw_piece(n, n == 1 ? (i % 5 == 0 ? 50 : 120) : 140.0 * n);
    }
    CHECK(n_long >= 1 && n_long <= 6);
    // More answers leave room for more tokens at once.
    CHECK(settle(size, 1000, 0, 100) >= 10);
}

TEST("one slow piece does not shorten the next by more than it has to") {
    piece_size size(0.5, 512);
    settle(size, 100, 0, 1);
    size.saw_piece(size.size(), 1e6);
    CHECK(size.size() >= 60);
}

TEST("the last piece of a prompt, which is shorter, changes nothing") {
    piece_size size(0.5, 512);
    settle(size, 100, 0, 1);
    const uint32_t before = size.size();
    size.saw_piece(3, 0.001);
    CHECK_EQUAL(size.size(), before);
}

TEST("with a share of one prompts are read in whole micro-batches") {
    piece_size size(1, 512);
    CHECK_EQUAL(settle(size, 1, 0, 100), 512u);
}
