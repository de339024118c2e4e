#include "self_check.h"

#include "leaves.h"
#include "weight_product.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace overfill::kernels {

namespace {

// The same on every processor; no more is asked of it.
class numbers {
  public:
    std::uint32_t next() { return state_ = state_ * 1664525u + 1013904223u; }
    std::uint8_t byte() { return std::uint8_t(next() >> 24); }
    float around_zero() { return float(std::int32_t(next()) >> 8) / float(1 << 22); }

  private:
    std::uint32_t state_ = 1;
};

// Any bytes are blocks, as long as their scales are numbers. These are halves at even places: no second byte is that of
// a half that is none. Those of bfloat16 are all of a size.
std::vector<std::uint8_t> some_blocks(weight_type type, std::size_t count, numbers & from) {
    const auto bytes = std::size_t(format_of(type).bytes);
    std::vector<std::uint8_t> made(count * bytes);
    for (auto & byte : made) byte = from.byte();
    for (std::size_t i = 1; i < made.size(); i += 2)
        if (type == weight_type::bf16)
            made[i] = (made[i] & 0x80) | 0x3e;
        else if ((made[i] & 0x7c) == 0x7c)
            made[i] ^= 0x40;
    return made;
}

std::vector<float> product_by(const leaf & by, const weight_product & of) {
    std::vector<float> out(std::size_t(of.rows) * of.columns());
    std::vector<std::uint8_t> work(work_bytes(by, of.type, of.elements, of.columns(), 1));
    int next = 0;
    team_member alone;
    alone.team = &next;
    alone.wait = [](void *) {};
    alone.set_next = [](void * at, int value) { *static_cast<int *>(at) = value; };
    alone.take_next = [](void * at) { return (*static_cast<int *>(at))++; };
    weight_product product = of;
    product.out = out.data();
    product.out_stride = std::size_t(of.rows);
    multiply(by, product, alone, work.data());
    return out;
}

bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool nearly_same(const std::vector<float> & a, const std::vector<float> & b) {
    double off = 0;
    double size = 0;
    for (std::size_t i = 0; i < a.size(); i++) {
        off += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        size += double(b[i]) * b[i];
    }
    return off <= 1e-8 * size;
}

}  // namespace

const leaf & reference() { return plain_leaf(); }

bool gives_same_products(const leaf & by, const leaf & as, weight_type type) {
    const weight_format format = format_of(type);
    numbers from;
    weight_product product;
    product.type = type;
    product.rows = by.panel_rows + 1;
    product.elements = chunk_elements + std::max(format.block, format.activation_block);
    const auto blocks = std::size_t(product.elements / format.block);
    product.row_stride = blocks * std::size_t(format.bytes);
    const auto weights = some_blocks(type, blocks * std::size_t(product.rows), from);
    product.weights = weights.data();
    // One more column than any leaf takes at once.
    const int columns = format.is_float ? 13 : 7;
    product.counts[0] = by.most_few[int(type)] + columns;
    std::vector<float> x(std::size_t(product.elements) * std::size_t(product.columns()));
    for (float & value : x) value = from.around_zero();
    product.x = reinterpret_cast<const std::uint8_t *>(x.data());
    product.strides[0] = std::size_t(product.elements) * sizeof(float);
    if (!same_bits(product_by(by, product), product_by(as, product))) return false;

    for (const int few : { 1, std::max(2, by.most_few[int(type)]) }) {
        product.counts[0] = few;
        const auto made = product_by(by, product);
        const auto expected = product_by(as, product);
        if (!(by.has_few(type, few) ? nearly_same(made, expected) : same_bits(made, expected))) return false;
    }
    return true;
}

}  // namespace overfill::kernels
