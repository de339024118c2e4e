// Who gets a session's place, and when: the order of those that wait, and places that are never lost.
#include "check.h"
#include "session_places.h"
#include "waiting_line.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace overfill;

namespace {

std::string all_of(waiting_line<char> & line) {
    std::string order;
    while (const auto next = line.take_next()) order += *next;
    return order;
}

// What became of a call.
struct call {
    llama_seq_id place = -1;
    std::string failed;

    completion<llama_seq_id> end() {
        return { [this](llama_seq_id got) { place = got; },
                 [this](const failure & error) { failed = error_code_name(error.code()); } };
    }
};

}  // namespace

TEST("higher priorities go first, and of one priority who came first") {
    waiting_line<char> line;
    line.add(0, 'c');
    line.add(5, 'a');
    line.add(-1, 'e');
    line.add(5, 'b');
    line.add(0, 'd');
    CHECK_EQUAL(line.size(), (size_t) 5);
    CHECK_EQUAL(all_of(line), std::string("abcde"));
    CHECK_EQUAL(line.size(), (size_t) 0);
    CHECK(!line.take_next());
}

TEST("who was passed often enough goes next, whatever comes") {
    waiting_line<char> line;
    line.add(0, 'x');
    line.add(1, 'y');
    std::string order;
    for (int i = 0; i < 20; i++) {
        line.add(9, '.');
        order += *line.take_next();
    }
    CHECK_EQUAL(order, std::string("........xy.........."));
    CHECK_EQUAL(line.size(), (size_t) 2);
}

TEST("one that has left is not waited for, and leaves once") {
    waiting_line<char> line;
    line.add(0, 'a');
    const auto second = line.add(0, 'b');
    line.add(0, 'c');
    CHECK(line.remove(second).value_or('-') == 'b');
    CHECK(!line.remove(second));
    CHECK(!line.remove(77));
    CHECK_EQUAL(all_of(line), std::string("ac"));
    CHECK(line.add(0, 'd') > second);
}

TEST("nobody is passed by more than the bound, whatever the priorities") {
    std::mt19937 random(1);
    waiting_line<size_t> line;
    std::vector<uint32_t> n_passes;  // of each by one that came later
    std::vector<size_t> waiting;
    for (int i = 0; i < 4000; i++) {
        if (random() % 2 || waiting.size() < 5) {
            waiting.push_back(n_passes.size());
            line.add((int32_t) (random() % 100), n_passes.size());
            n_passes.push_back(0);
            continue;
        }
        const size_t next = *line.take_next();
        for (const size_t who : waiting) n_passes[who] += who < next;
        waiting.erase(std::find(waiting.begin(), waiting.end(), next));
    }
    const uint32_t most = *std::max_element(n_passes.begin(), n_passes.end());
    CHECK_EQUAL(most, waiting_line<size_t>::most_passes);
}

TEST("the lowest free place is given at once, and one that comes back to who waits") {
    session_places places(2, 2);
    call a, b, c, d;
    CHECK_EQUAL(places.take(0, a.end()), (session_places::ticket) 0);
    CHECK_EQUAL(places.take(0, b.end()), (session_places::ticket) 0);
    CHECK_EQUAL(a.place, 0);
    CHECK_EQUAL(b.place, 1);
    CHECK(places.take(0, c.end()) != 0);
    CHECK(places.take(1, d.end()) != 0);
    CHECK_EQUAL(places.n_taken(), 2u);
    CHECK_EQUAL(places.n_waiting(), 2u);
    places.give_back(0);
    CHECK_EQUAL(d.place, 0);
    CHECK_EQUAL(c.place, -1);
    places.give_back(1);
    CHECK_EQUAL(c.place, 1);
    CHECK_EQUAL(places.n_taken(), 2u);
    places.give_back(1);
    places.give_back(0);
    CHECK_EQUAL(places.n_taken(), 0u);
    call e;
    places.take(0, e.end());
    CHECK_EQUAL(e.place, 0);
}

TEST("beyond the bound a call is refused, with the bounds") {
    session_places places(1, 1);
    call a, b, c;
    places.take(0, a.end());
    const auto ticket = places.take(0, b.end());
    try {
        places.take(100, c.end());
        CHECK(false);
    } catch (const failure & error) {
        CHECK(error.code() == error_code::queue_full);
        CHECK(error.details() == error_details({ { "maxSessions", 1 }, { "maxWaiting", 1 } }));
    }
    // Who leaves makes room.
    places.leave(ticket);
    CHECK_EQUAL(b.failed, std::string("ERR_ABORTED"));
    CHECK(places.take(0, c.end()) != 0);
    session_places none(1, 0);
    none.take(0, a.end());
    CHECK_FAILURE(error_code::queue_full, none.take(0, b.end()));
}

TEST("a call that left, or has its place, is not ended again") {
    session_places places(1, 8);
    call a, b, c;
    places.take(0, a.end());
    const auto second = places.take(0, b.end());
    const auto third = places.take(0, c.end());
    places.leave(second);
    places.leave(second);
    places.give_back(0);
    CHECK_EQUAL(c.place, 0);
    places.leave(third);
    places.leave(0);
    CHECK_EQUAL(c.failed, std::string());
    CHECK_EQUAL(b.place, -1);
    CHECK_EQUAL(places.n_taken(), 1u);
}

TEST("closing fails all that wait and all that come") {
    session_places places(1, 8);
    call a, b, c;
    places.take(0, a.end());
    places.take(0, b.end());
    places.take(5, c.end());
    places.close();
    places.close();
    CHECK_EQUAL(b.failed, std::string("ERR_DISPOSED"));
    CHECK_EQUAL(c.failed, std::string("ERR_DISPOSED"));
    CHECK_EQUAL(places.n_waiting(), 0u);
    places.give_back(0);
    CHECK_FAILURE(error_code::disposed, places.take(0, b.end()));
}

TEST("a place that cannot be taken goes to the next, and is free if there is none") {
    session_places places(1, 8);
    call a, b, c;
    completion<llama_seq_id> broken = b.end();
    broken.done = [](llama_seq_id) { throw std::bad_alloc(); };
    places.take(0, a.end());
    places.take(0, broken);
    places.take(0, c.end());
    places.give_back(0);
    CHECK_EQUAL(b.failed, std::string("ERR_OUT_OF_MEMORY"));
    CHECK_EQUAL(c.place, 0);
    places.give_back(0);
    CHECK_EQUAL(places.take(0, broken), (session_places::ticket) 0);
    CHECK_EQUAL(places.n_taken(), 0u);
}

TEST("places that are taken, left and given back on several threads are all there in the end") {
    session_places places(3, 1000);
    std::atomic<int> n_got{ 0 }, n_left{ 0 }, n_at_once{ 0 }, most{ 0 };
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (int i = 0; i < 500; i++) {
                const auto ticket =
                    places.take((int32_t) (random() % 3), { [&](llama_seq_id place) {
                                                               const int now = ++n_at_once;
                                                               for (int seen = most; now > seen;)
                                                                   if (most.compare_exchange_weak(seen, now)) break;
                                                               std::this_thread::yield();
                                                               n_at_once--;
                                                               n_got++;
                                                               places.give_back(place);
                                                           },
                                                            [&](const failure &) { n_left++; } });
                if (random() % 2) places.leave(ticket);
            }
        });
    for (std::thread & thread : threads) thread.join();
    CHECK_EQUAL(n_got + n_left, 2000);
    CHECK(most <= 3);
    CHECK_EQUAL(places.n_taken(), 0u);
    CHECK_EQUAL(places.n_waiting(), 0u);
}
