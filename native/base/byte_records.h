// Numbers, texts and lists as bytes, little end first, and back. The reader gives nothing that the bytes do not hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace overfill {

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are written as memory has them, little end first"
#endif

class byte_writer {
  public:
    template <class N> void number(N value) {
        static_assert(std::is_arithmetic_v<N> && !std::is_same_v<N, bool>);
        bytes(&value, sizeof value);
    }
    // In the place of one of the same type that was written at a time when there were so many bytes.
    template <class N> void replace_number(size_t at, N value) { std::memcpy(&out_.at(at), &value, sizeof value); }
    void truth(bool value) { number<uint8_t>(value); }
    void text(const std::string & value) {
        number<uint64_t>(value.size());
        bytes(value.data(), value.size());
    }
    template <class N> void list(const std::vector<N> & values) {
        static_assert(std::is_arithmetic_v<N>);
        number<uint64_t>(values.size());
        bytes(values.data(), values.size() * sizeof(N));
    }
    void bytes(const void * data, size_t n) {
        const auto * from = static_cast<const uint8_t *>(data);
        out_.insert(out_.end(), from, from + n);
    }

    const std::vector<uint8_t> & written() const { return out_; }

  private:
    std::vector<uint8_t> out_;
};

// Thrown by the reader; what is wrong, for a message.
struct bad_record : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class byte_reader {
  public:
    byte_reader(const uint8_t * data, size_t n) : at_(data), end_(data + n) {}

    template <class N> N number() {
        static_assert(std::is_arithmetic_v<N> && !std::is_same_v<N, bool>);
        N value;
        std::memcpy(&value, take(sizeof value), sizeof value);
        return value;
    }
    bool truth() {
        const auto value = number<uint8_t>();
        if (value > 1) throw bad_record("a truth value is neither 0 nor 1");
        return value == 1;
    }
    std::string text() {
        const size_t n = count(1);
        const auto * from = reinterpret_cast<const char *>(take(n));
        return std::string(from, n);
    }
    template <class N> std::vector<N> list() {
        static_assert(std::is_arithmetic_v<N>);
        std::vector<N> values(count(sizeof(N)));
        if (!values.empty()) std::memcpy(values.data(), take(values.size() * sizeof(N)), values.size() * sizeof(N));
        return values;
    }
    // How many records of at least so many bytes follow: no more than there are bytes for.
    size_t count(size_t least_bytes) {
        const auto n = number<uint64_t>();
        if (n > n_left() / least_bytes) throw bad_record("a length is larger than the file");
        return (size_t) n;
    }
    size_t n_left() const { return (size_t) (end_ - at_); }

  private:
    const uint8_t * take(size_t n) {
        if (n > n_left()) throw bad_record("a record ends too early");
        const uint8_t * from = at_;
        at_ += n;
        return from;
    }

    const uint8_t *at_, *end_;
};

}  // namespace overfill
