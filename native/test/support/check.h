// The few words the native tests need: TEST registers a case under a sentence, CHECK reports and goes on, and the
// program ends with the number of failed checks.
#pragma once

#include "failure.h"

#include <functional>
#include <sstream>
#include <string>

namespace overfill::test {

bool add_case(const char * title, void (*body)());
void report(bool ok, const char * file, int line, const std::string & what);

template <class A, class B>
void check_equal(const A & actual, const B & expected, const char * file, int line, const char * what) {
    if (actual == expected) return report(true, file, line, what);
    std::ostringstream out;
    out << what << ": got " << actual << ", expected " << expected;
    report(false, file, line, out.str());
}

// Runs `body` and checks that it throws a failure with this code; returns its message.
std::string check_failure(error_code expected, const std::function<void()> & body, const char * file, int line);

}  // namespace overfill::test

#define OVERFILL_JOIN2(a, b) a##b
#define OVERFILL_JOIN(a, b) OVERFILL_JOIN2(a, b)
#define TEST(title)                                                                                                    \
    static void OVERFILL_JOIN(case_, __LINE__)();                                                                      \
    static const bool OVERFILL_JOIN(added_, __LINE__) =                                                                \
        overfill::test::add_case(title, OVERFILL_JOIN(case_, __LINE__));                                               \
    static void OVERFILL_JOIN(case_, __LINE__)()

#define CHECK(condition) overfill::test::report(static_cast<bool>(condition), __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(actual, expected) overfill::test::check_equal((actual), (expected), __FILE__, __LINE__, #actual)
#define CHECK_FAILURE(code, statement)                                                                                 \
    overfill::test::check_failure(                                                                                     \
        code, [&] { statement; }, __FILE__, __LINE__)
