#include "translate_reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace overfill::test {

namespace {

template <class T> T value_at(const uint8_t * p) {
    T x;
    std::memcpy(&x, p, sizeof x);
    return x;
}

double half_at(const uint8_t * p) {
    const uint16_t bits = value_at<uint16_t>(p);
    const int sign = bits >> 15, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    double x;
    if (exponent == 31)
        x = fraction ? NAN : INFINITY;
    else
        x = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return sign ? -x : x;
}

double brain_at(const uint8_t * p) {
    const uint32_t bits = (uint32_t) value_at<uint16_t>(p) << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

const int levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

// Value i of a row that starts at p.
double value_of(ggml_type type, const uint8_t * p, uint32_t i) {
    if (type == GGML_TYPE_F32) return value_at<float>(p + 4 * i);
    if (type == GGML_TYPE_F16) return half_at(p + 2 * i);
    if (type == GGML_TYPE_BF16) return brain_at(p + 2 * i);
    const uint8_t * block = p + i / 32 * ggml_type_size(type);
    const uint32_t j = i % 32;
    const auto nibble = [&](const uint8_t * q) { return j < 16 ? q[j] & 15 : q[j - 16] >> 4; };
    const auto fifth = [&](const uint8_t * h) { return (h[j / 8] >> (j % 8)) & 1; };
    const double d = half_at(block);
    switch (type) {
    case GGML_TYPE_Q8_0: return d * (int8_t) block[2 + j];
    case GGML_TYPE_Q4_0: return d * (nibble(block + 2) - 8);
    case GGML_TYPE_Q4_1: return d * nibble(block + 4) + half_at(block + 2);
    case GGML_TYPE_Q5_0: return d * (nibble(block + 6) + 16 * fifth(block + 2) - 16);
    case GGML_TYPE_Q5_1: return d * (nibble(block + 8) + 16 * fifth(block + 4)) + half_at(block + 2);
    case GGML_TYPE_IQ4_NL: return d * levels[nibble(block + 2)];
    default: throw std::invalid_argument("a type without a reference");
    }
}

// Sylvester's matrix of n rows, built by doubling: H, H; H, -H. It is symmetric and, divided by sqrt(n), its own
// inverse.
std::vector<std::vector<double>> hadamard_matrix(uint32_t n) {
    std::vector<std::vector<double>> h(n, std::vector<double>(n, 1.0));
    for (uint32_t s = 1; s < n; s *= 2)
        for (uint32_t i = 0; i < s; i++)
            for (uint32_t j = 0; j < s; j++) {
                h[i][j + s] = h[i + s][j] = h[i][j];
                h[i + s][j + s] = -h[i][j];
            }
    return h;
}

std::vector<double> hadamard(const std::vector<double> & row, uint32_t n) {
    const std::vector<std::vector<double>> h = hadamard_matrix(n);
    std::vector<double> out(row.size(), 0.0);
    for (size_t i = 0; i < row.size(); i++) {
        for (size_t j = 0; j < n; j++) out[i] += h[i % n][j] * row[i / n * n + j];
        out[i] /= std::sqrt((double) n);
    }
    return out;
}

std::vector<double> rotate(std::vector<double> row, const rope_parameters & rope, uint32_t head_size,
                           llama_pos position, bool undo) {
    if (rope.none()) return row;
    const rope_frequencies frequencies = frequencies_of(rope);
    const double magnitude = undo ? 1.0 / frequencies.magnitude : frequencies.magnitude;
    const size_t n_pairs = (size_t) rope.n_dims / 2;
    for (size_t i = 0; i < n_pairs; i++) {
        const double angle = (undo ? -1.0 : 1.0) * position * frequencies.angles[i];
        const double cosine = std::cos(angle) * magnitude, sine = std::sin(angle) * magnitude;
        for (size_t head = 0; head < row.size(); head += head_size) {
            double & x = row[head + (rope.adjacent() ? 2 * i : i)];
            double & y = row[head + (rope.adjacent() ? 2 * i + 1 : i + n_pairs)];
            const double u = x, v = y;
            x = u * cosine - v * sine;
            y = u * sine + v * cosine;
        }
    }
    return row;
}

std::vector<double> mapped(const linear_map & map, const std::vector<double> & x) {
    std::vector<double> y(map.n_out, 0.0);
    for (size_t o = 0; o < map.n_out; o++) {
        if (!map.bias.empty()) y[o] = map.bias[o];
        for (size_t i = 0; i < map.n_in; i++) y[o] += (double) map.weight[o * map.n_in + i] * x[i];
    }
    return y;
}

// The rounding of a factor d (and m) to f16, in a value d q + m.
double rounded(double d, double q, double m) {
    const double half_ulp = std::ldexp(1, -11), half_least = std::ldexp(1, -25);
    return std::max(std::fabs(d) * half_ulp, half_least) * std::fabs(q) +
           (m != 0 ? std::max(std::fabs(m) * half_ulp, half_least) : 0);
}

// A block of iq4_nl done in double precision: d0 = extreme / -127 chooses the levels, then d is fitted to them by least
// squares weighted with x^2. A value errs by what remains. A value within `accumulated` of the middle between two
// levels may take either, and moves d by its share of the sums.
void iq4_nl_tolerances(const double * x, double extreme, double accumulated, double * out) {
    const double d0 = extreme / -127;
    if (std::fabs(extreme) < 1e-15) return std::fill(out, out + 32, std::fabs(extreme));
    const double unsure = 2 * accumulated / std::fabs(d0) + 1e-4;
    double product = 0, square = 0, moved = 0;
    int chosen[32], other[32];
    for (int i = 0; i < 32; i++) {
        const auto distance = [&](int level) { return std::fabs(x[i] / d0 - level); };
        chosen[i] = *std::min_element(levels, levels + 16, [&](int a, int b) { return distance(a) < distance(b); });
        other[i] = chosen[i];
        for (int level : levels)
            if (level != chosen[i] && distance(level) - distance(chosen[i]) < 2 * unsure) other[i] = level;
        const double weight = x[i] * x[i];
        product += weight * chosen[i] * x[i];
        square += weight * chosen[i] * chosen[i];
        moved += weight * (std::fabs((other[i] - chosen[i]) * x[i]) +
                           std::fabs(d0 * (other[i] * other[i] - chosen[i] * chosen[i])));
    }
    const double d = product / square;
    for (int i = 0; i < 32; i++) {
        out[i] = 0;
        for (int level : { chosen[i], other[i] })
            out[i] = std::max(out[i],
                              std::fabs(x[i] - level * d) + std::fabs(level) * moved / square + rounded(d, level, 0));
    }
}

// Of one block of 32 values, whose value of largest size is `extreme`.
void block_tolerances(ggml_type type, const double * x, double extreme, double accumulated, double * out) {
    if (type == GGML_TYPE_IQ4_NL) return iq4_nl_tolerances(x, extreme, accumulated, out);
    const double low = *std::min_element(x, x + 32), high = *std::max_element(x, x + 32), size = std::fabs(extreme);
    for (int i = 0; i < 32; i++) {
        switch (type) {
        case GGML_TYPE_Q8_0: out[i] = size / 127 / 2 + rounded(size / 127, 127, 0); break;
        case GGML_TYPE_Q4_0:
        case GGML_TYPE_Q5_0: {
            const double n = type == GGML_TYPE_Q4_0 ? 8 : 16, d = size / n;
            // The levels go n steps towards the extreme and n - 1 against it.
            const double against = extreme > 0 ? -x[i] : x[i];
            out[i] = std::max(d / 2, against - (n - 1) * d) + rounded(d, n, 0);
            break;
        }
        case GGML_TYPE_Q4_1:
        case GGML_TYPE_Q5_1: {
            const double n = type == GGML_TYPE_Q4_1 ? 15 : 31, d = (high - low) / n;
            out[i] = d / 2 + rounded(d, n, low);
            break;
        }
        default: throw std::invalid_argument("a type without a tolerance");
        }
    }
}

void block_tolerances(ggml_type type, const double * x, double accumulated, double * out) {
    const double low = *std::min_element(x, x + 32), high = *std::max_element(x, x + 32);
    // The first of the largest, as ggml takes it.
    const double extreme = *std::max_element(x, x + 32, [](double a, double b) { return std::fabs(a) < std::fabs(b); });
    block_tolerances(type, x, extreme, accumulated, out);
    if (std::fabs(high + low) > 2 * accumulated || accumulated == 0) return;
    // Two values of opposite sign and nearly the same size: float32 may take the other for the largest.
    double as_other[32];
    block_tolerances(type, x, extreme == high ? low : high, accumulated, as_other);
    for (int i = 0; i < 32; i++) out[i] = std::max(out[i], as_other[i]);
}

}  // namespace

std::vector<double> read_row(const kv_storage & storage, const uint8_t * stream_data, uint32_t cell) {
    std::vector<double> row(storage.n_embd());
    for (uint32_t i = 0; i < row.size(); i++) {
        if (storage.transposed) {
            const size_t at = (size_t) i * storage.n_cells + cell;
            row[i] = value_of(storage.type(), stream_data + at * ggml_type_size(storage.type()), 0);
        } else {
            const size_t row_bytes = ggml_row_size(storage.type(), storage.tensor->ne[0]);
            row[i] = value_of(storage.type(), stream_data + cell * row_bytes, i);
        }
    }
    return row;
}

std::vector<std::vector<double>> reference_translate(const translate_step & step, const uint8_t * from_stream_data,
                                                     const std::vector<cell_move> & moves) {
    std::vector<std::vector<double>> rows;
    for (const cell_move & move : moves) {
        std::vector<double> row = read_row(step.from, from_stream_data, move.from);
        if (step.from.hadamard) row = hadamard(row, step.from.hadamard);
        if (step.unrotate) row = rotate(row, *step.unrotate, step.from.head_size, move.position, true);
        if (step.map) row = mapped(*step.map, row);
        if (step.rerotate) row = rotate(row, *step.rerotate, step.to.head_size, move.position, false);
        if (step.to.hadamard) row = hadamard(row, step.to.hadamard);
        rows.push_back(row);
    }
    return rows;
}

std::vector<double> tolerances(ggml_type type, const std::vector<double> & row, double accumulated) {
    std::vector<double> out(row.size());
    for (size_t i = 0; i < row.size(); i++) {
        const double x = std::fabs(row[i]);
        if (type == GGML_TYPE_F32)
            out[i] = x * std::ldexp(1, -24);
        else if (type == GGML_TYPE_F16)
            out[i] = std::max(x * std::ldexp(1, -11), std::ldexp(1, -25));
        else if (type == GGML_TYPE_BF16)
            out[i] = x * std::ldexp(1, -8);
        else if (i % 32 == 0)
            block_tolerances(type, &row[i], accumulated, &out[i]);
    }
    // An error before the rounding shows once in the value, and where it moves the block's scale a second time.
    for (double & x : out) x += (ggml_is_quantized(type) ? 2 : 1) * accumulated;
    return out;
}

double accumulated_error(const translate_step & step, const std::vector<double> & from_row,
                         const std::vector<double> & to_row) {
    const double unit = std::ldexp(1, -24);
    // Norms over a head of the values and of their error. Rotations and the Hadamard transform keep both.
    double norm = 0;
    for (size_t head = 0; head < from_row.size(); head += step.from.head_size) {
        double square = 0;
        for (size_t i = 0; i < step.from.head_size; i++) square += from_row[head + i] * from_row[head + i];
        norm = std::max(norm, std::sqrt(square));
    }
    // Dequantising d q + m rounds twice.
    double error = ggml_is_quantized(step.from.type()) ? 2 * unit * norm : 0;
    // log2 n sums and the scale, which is itself rounded.
    const auto hadamard_stage = [&](uint32_t n) { error += (std::log2((double) n) + 2) * unit * norm; };
    const auto rotation = [&](const rope_parameters & rope, bool undo) {
        // Cosine and sine: two table entries each, two products, a sum, the magnitude; then two products and a sum.
        const double m = frequencies_of(rope).magnitude, factor = std::max(1.0, undo ? 1 / m : m);
        error = error * factor + 12 * unit * norm * factor;
        norm *= factor;
    };
    if (step.undo_hadamard()) hadamard_stage(step.from.hadamard);
    if (step.unrotate && !step.unrotate->none()) rotation(*step.unrotate, true);
    if (step.map) {
        // n products and sums in any order; |sum w x| is at most the norm of w times the norm of x, over all heads.
        double weight_norm = 0, bias = 0;
        for (size_t o = 0; o < step.map->n_out; o++) {
            double square = 0;
            for (size_t i = 0; i < step.map->n_in; i++) {
                const double w = step.map->weight[o * step.map->n_in + i];
                square += w * w;
            }
            weight_norm = std::max(weight_norm, std::sqrt(square));
        }
        for (float b : step.map->bias) bias = std::max(bias, std::fabs((double) b));
        const double heads = std::sqrt((double) step.from.n_head), outputs = std::sqrt((double) step.to.head_size);
        error = outputs * (weight_norm * heads * (error + (step.map->n_in + 1) * unit * norm) + unit * bias);
        norm = outputs * (weight_norm * heads * norm + bias);
    }
    if (step.rerotate && !step.rerotate->none()) rotation(*step.rerotate, false);
    if (step.do_hadamard()) hadamard_stage(step.to.hadamard);
    // Scaling by 1 / d and choosing a level rounds three times.
    double largest = 0;
    for (double x : to_row) largest = std::max(largest, std::fabs(x));
    return ggml_is_quantized(step.to.type()) ? error + 3 * unit * largest : error;
}

}  // namespace overfill::test
