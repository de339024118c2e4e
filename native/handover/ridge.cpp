#include "ridge.h"

#include "failure.h"

#include <algorithm>
#include <cmath>

// Where the compiler can make a function for a newer processor than the rest is made for.
#if defined(__GNUC__) && defined(__x86_64__)
#define OVERFILL_AVX2
#endif
#ifdef __GNUC__
#define OVERFILL_INLINE inline __attribute__((always_inline))
#else
#define OVERFILL_INLINE inline
#endif

namespace overfill {

static constexpr size_t block = 64;  // of the Cholesky factor and of the right-hand sides

// --- moments ---

static size_t tiles_for(uint32_t n, uint32_t tile_size) { return (n + tile_size - 1) / tile_size; }

moments::moments(uint32_t n_in, uint32_t n_out)
    : n_in_(n_in), n_out_(n_out), n_tiles_in_(tiles_for(n_in, tile_size)), n_tiles_out_(tiles_for(n_out, tile_size)),
      origin_x_(n_in), origin_y_(n_out), x_(n_tiles_in_ * tile_size), y_(n_tiles_out_ * tile_size), yy_(y_.size()),
      xx_(n_tiles_in_ * (n_tiles_in_ + 1) / 2 * tile_size * tile_size),
      xy_(n_tiles_in_ * n_tiles_out_ * tile_size * tile_size) {}

uint64_t moments::n_bytes(uint32_t n_in, uint32_t n_out) {
    const uint64_t in = tiles_for(n_in, tile_size), out = tiles_for(n_out, tile_size);
    return (in * (in + 1) / 2 + in * out) * tile_size * tile_size * sizeof(double);
}

double moments::xx(size_t i, size_t j) const {
    const size_t a = i / tile_size, b = j / tile_size;
    return xx_[(a * (a + 1) / 2 + b) * tile_size * tile_size + i % tile_size * tile_size + j % tile_size];
}

double moments::xy(size_t i, size_t j) const {
    const size_t a = i / tile_size, b = j / tile_size;
    return xy_[(a * n_tiles_out_ + b) * tile_size * tile_size + i % tile_size * tile_size + j % tile_size];
}

std::vector<double> moments::mean_x() const {
    std::vector<double> mean = origin_x_;
    for (size_t i = 0; i < n_in_ && n_ > 0; i++) mean[i] += x_[i] / (double) n_;
    return mean;
}

std::vector<double> moments::mean_y() const {
    std::vector<double> mean = origin_y_;
    for (size_t i = 0; i < n_out_ && n_ > 0; i++) mean[i] += y_[i] / (double) n_;
    return mean;
}

void moments::begin(const float * x, const float * y, size_t n) {
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < n_in_; i++) origin_x_[i] += x[r * n_in_ + i] / (double) n;
        for (size_t i = 0; i < n_out_; i++) origin_y_[i] += y[r * n_out_ + i] / (double) n;
    }
}

// tile[a][b] += sum over rows of left[row][a] * right[row][b]; all have t columns. Sums of `high` x `wide` products are
// kept in registers.
template <size_t t, size_t high, size_t wide>
OVERFILL_INLINE static void add_products(double * tile, const double * left, const double * right, size_t n_rows) {
    for (size_t a = 0; a < t; a += high)
        for (size_t b = 0; b < t; b += wide) {
            double sums[high][wide] = {};
            for (size_t r = 0; r < n_rows; r++)
                for (size_t i = 0; i < high; i++)
                    for (size_t j = 0; j < wide; j++) sums[i][j] += left[r * t + a + i] * right[r * t + b + j];
            for (size_t i = 0; i < high; i++)
                for (size_t j = 0; j < wide; j++) tile[(a + i) * t + b + j] += sums[i][j];
        }
}

using add_products_function = void (*)(double *, const double *, const double *, size_t);

#ifdef OVERFILL_AVX2
template <size_t t>
__attribute__((target("avx2,fma"))) static void add_products_avx2(double * tile, const double * left,
                                                                  const double * right, size_t n_rows) {
    add_products<t, 4, 8>(tile, left, right, n_rows);
}
#endif

// The fastest for this processor.
template <size_t t> static add_products_function choose_add_products() {
#ifdef OVERFILL_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return add_products_avx2<t>;
#endif
    return [](double * tile, const double * left, const double * right, size_t n_rows) {
        add_products<t, 4, 4>(tile, left, right, n_rows);
    };
}

void moments::add(thread_team & team, const float * x, const float * y, size_t n) {
    if (n == 0) return;
    if (n_ == 0) begin(x, y, n);
    static const add_products_function add_products = choose_add_products<tile_size>();
    const size_t n_panels = n_tiles_in_ + n_tiles_out_, panel_size = n_rows_at_once * tile_size;
    panels_.resize(n_panels * panel_size);
    for (size_t begin = 0; begin < n; begin += n_rows_at_once) {
        const size_t n_rows = std::min(n_rows_at_once, n - begin);

        // The rows about the origin, with their own sums.
        team.each(n_panels, [&](size_t p, size_t) {
            const bool is_x = p < n_tiles_in_;
            const size_t width = is_x ? n_in_ : n_out_, first = (is_x ? p : p - n_tiles_in_) * tile_size;
            const size_t n_columns = std::min<size_t>(tile_size, width - first);
            const float * from = (is_x ? x : y) + begin * width + first;
            const double * origin = (is_x ? origin_x_ : origin_y_).data() + first;
            double * sums = (is_x ? x_ : y_).data() + first;
            double * panel = &panels_[p * panel_size];
            std::fill(panel, panel + n_rows * tile_size, 0.0);
            for (size_t r = 0; r < n_rows; r++)
                for (size_t c = 0; c < n_columns; c++) {
                    const double value = from[r * width + c] - origin[c];
                    panel[r * tile_size + c] = value;
                    sums[c] += value;
                    if (!is_x) yy_[first + c] += value * value;
                }
        });

        const size_t n_xx = n_tiles_in_ * (n_tiles_in_ + 1) / 2;
        team.each(n_tiles_in_ * (n_tiles_in_ + 1) / 2 + n_tiles_in_ * n_tiles_out_, [&](size_t item, size_t) {
            size_t i, j;
            if (item < n_xx) {
                i = (size_t) ((std::sqrt(8.0 * (double) item + 1) - 1) / 2);
                while (i * (i + 1) / 2 > item) i--;
                while ((i + 1) * (i + 2) / 2 <= item) i++;
                j = item - i * (i + 1) / 2;
            } else {
                i = (item - n_xx) / n_tiles_out_;
                j = (item - n_xx) % n_tiles_out_;
            }
            double * tile = item < n_xx ? xx_tile(i, j) : xy_tile(i, j);
            const size_t right = item < n_xx ? j : n_tiles_in_ + j;
            add_products(tile, &panels_[i * panel_size], &panels_[right * panel_size], n_rows);
        });
    }
    n_ += n;
}

// --- solution ---

// The centred normal equations and their Cholesky factor.
class ridge_system {
  public:
    ridge_system(thread_team & team, const moments & data) : team_(team), data_(data), n_(data.n_in()) {
        const double n = (double) data.n_;
        for (size_t i = 0; i < n_; i++) mean_diagonal_ += (data.xx(i, i) - data.x_[i] * data.x_[i] / n) / (double) n_;
    }

    double mean_diagonal() const { return mean_diagonal_; }

    // A = L L^T with A = Sxx + ridge I; false if A is not positive definite.
    bool factorize(double ridge) {
        fill(ridge);
        std::vector<double> panel;  // the columns of a block below it, transposed: [block][rows below]
        for (size_t k = 0; k < n_; k += block) {
            const size_t width = std::min(block, n_ - k), below = k + width, n_below = n_ - below;
            if (!factorize_diagonal(k, width)) return false;
            panel.resize(width * n_below);
            team_.each(n_below, [&](size_t r, size_t) {
                double * row = &a_[(below + r) * n_];
                for (size_t c = 0; c < width; c++) {
                    const double * l = &a_[(k + c) * n_];
                    double sum = row[k + c];
                    for (size_t m = 0; m < c; m++) sum -= row[k + m] * l[k + m];
                    row[k + c] = panel[c * n_below + r] = sum / l[k + c];
                }
            });
            team_.each(n_below, [&](size_t r, size_t) {
                double * row = &a_[(below + r) * n_];
                for (size_t c = 0; c < width; c++) {
                    const double factor = row[k + c];
                    const double * columns = &panel[c * n_below];
                    for (size_t j = 0; j <= r; j++) row[below + j] -= factor * columns[j];
                }
            });
        }
        return true;
    }

    linear_map solve() {
        linear_map map;
        map.n_in = (uint32_t) n_;
        map.n_out = data_.n_out();
        map.weight.resize(n_ * map.n_out);
        const double n = (double) data_.n_;
        std::vector<double> scratch(team_.size() * n_ * block);
        team_.each((map.n_out + block - 1) / block, [&](size_t item, size_t member) {
            const size_t first = item * block, width = std::min<size_t>(block, map.n_out - first);
            double * b = &scratch[member * n_ * block];  // [n_in][block]
            for (size_t i = 0; i < n_; i++)
                for (size_t c = 0; c < width; c++)
                    b[i * block + c] = data_.xy(i, first + c) - data_.x_[i] * data_.y_[first + c] / n;
            substitute(b);
            for (size_t c = 0; c < width; c++)
                for (size_t i = 0; i < n_; i++) map.weight[(first + c) * n_ + i] = (float) b[i * block + c];
        });
        return map;
    }

  private:
    void fill(double ridge) {
        a_.resize(n_ * n_);
        const double n = (double) data_.n_;
        team_.each(n_, [&](size_t i, size_t) {
            for (size_t j = 0; j <= i; j++) a_[i * n_ + j] = data_.xx(i, j) - data_.x_[i] * data_.x_[j] / n;
            a_[i * n_ + i] += ridge;
        });
    }

    bool factorize_diagonal(size_t k, size_t width) {
        for (size_t i = k; i < k + width; i++)
            for (size_t j = k; j <= i; j++) {
                double sum = a_[i * n_ + j];
                for (size_t m = k; m < j; m++) sum -= a_[i * n_ + m] * a_[j * n_ + m];
                if (i != j) {
                    a_[i * n_ + j] = sum / a_[j * n_ + j];
                } else {
                    // What is left after cancellation is noise below this.
                    if (!(sum > mean_diagonal_ * 1e-14)) return false;
                    a_[i * n_ + i] = std::sqrt(sum);
                }
            }
        return true;
    }

    // b = A^-1 b, for `block` right-hand sides.
    void substitute(double * b) const {
        const auto subtract = [&](size_t to, size_t from, double factor) {
            for (size_t c = 0; c < block; c++) b[to * block + c] -= factor * b[from * block + c];
        };
        for (size_t i = 0; i < n_; i++) {
            for (size_t k = 0; k < i; k++) subtract(i, k, a_[i * n_ + k]);
            for (size_t c = 0; c < block; c++) b[i * block + c] /= a_[i * n_ + i];
        }
        for (size_t i = n_; i-- > 0;) {
            for (size_t c = 0; c < block; c++) b[i * block + c] /= a_[i * n_ + i];
            for (size_t k = 0; k < i; k++) subtract(k, i, a_[i * n_ + k]);
        }
    }

    thread_team & team_;
    const moments & data_;
    size_t n_;
    double mean_diagonal_ = 0;
    std::vector<double> a_;  // [n_in][n_in], the lower half
};

linear_map solve_ridge(thread_team & team, const moments & data, double lambda) {
    if (data.n() == 0) throw failure(error_code::invalid_argument, "there is no data to fit a linear map to");
    ridge_system system(team, data);
    const double scale = system.mean_diagonal();
    if (!std::isfinite(scale))
        throw failure(error_code::inference_failed, "the KV cache holds values that are not finite numbers");

    linear_map map;
    if (scale <= 0) {
        // x never changes, so that the bias says it all.
        map.n_in = data.n_in();
        map.n_out = data.n_out();
        map.weight.resize((size_t) map.n_in * map.n_out);
    } else {
        constexpr int max_attempts = 7;
        double attempt = lambda;
        int n_attempts = 1;
        while (!system.factorize(attempt * scale)) {
            if (n_attempts++ == max_attempts)
                throw failure(error_code::inference_failed,
                              "the linear map has no solution: the sums are not positive definite with lambda " +
                                  std::to_string(attempt));
            attempt = std::max(attempt * 10, 1e-9);
        }
        map = system.solve();
    }
    set_bias(map, data);
    const auto finite = [](float value) { return std::isfinite(value); };
    if (!std::all_of(map.weight.begin(), map.weight.end(), finite) ||
        !std::all_of(map.bias.begin(), map.bias.end(), finite))
        throw failure(error_code::inference_failed, "the KV cache holds values that are not finite numbers");
    return map;
}

void set_bias(linear_map & map, const moments & data) {
    const std::vector<double> mean_x = data.mean_x(), mean_y = data.mean_y();
    map.bias.resize(map.n_out);
    for (size_t o = 0; o < map.n_out; o++) {
        double sum = mean_y[o];
        for (size_t i = 0; i < map.n_in; i++) sum -= map.weight[o * map.n_in + i] * mean_x[i];
        map.bias[o] = (float) sum;
    }
}

// --- error ---

double relative_error(thread_team & team, const moments & data, const linear_map & map) {
    constexpr size_t t = moments::tile_size, n_outputs_at_once = 16;
    const double n = (double) data.n_;
    const size_t n_in = map.n_in, n_items = (map.n_out + n_outputs_at_once - 1) / n_outputs_at_once;
    const size_t padded = data.n_tiles_in_ * t;
    std::vector<double> residuals(n_items), baselines(n_items), scratch(team.size() * n_outputs_at_once * padded);

    team.each(n_items, [&](size_t item, size_t member) {
        const size_t first = item * n_outputs_at_once;
        const size_t last = std::min<size_t>(map.n_out, first + n_outputs_at_once);
        // The rows of W as float64, padded to whole tiles.
        double * rows = &scratch[member * n_outputs_at_once * padded];
        for (size_t o = first; o < last; o++)
            for (size_t i = 0; i < n_in; i++) rows[(o - first) * padded + i] = map.weight[o * n_in + i];

        double residual = 0, baseline = 0;
        for (size_t a = 0; a < data.n_tiles_in_; a++)
            for (size_t b = 0; b <= a; b++) {
                const double * tile = &data.xx_[(a * (a + 1) / 2 + b) * t * t];
                for (size_t o = 0; o < last - first; o++) {
                    const double * left = &rows[o * padded + a * t];
                    const double * right = &rows[o * padded + b * t];
                    double product[t] = {};
                    for (size_t i = 0; i < t; i++)
                        for (size_t j = 0; j < t; j++) product[j] += left[i] * tile[i * t + j];
                    for (size_t j = 0; j < t; j++) residual += (a == b ? 1 : 2) * product[j] * right[j];
                }
            }
        for (size_t o = first; o < last; o++) {
            const double * w = &rows[(o - first) * padded];
            double bias = (map.bias.empty() ? 0 : map.bias[o]) - data.origin_y_[o], mean = 0;
            for (size_t i = 0; i < n_in; i++) {
                bias += w[i] * data.origin_x_[i];
                mean += w[i] * data.x_[i];
                residual -= 2 * w[i] * data.xy(i, o);
            }
            residual += data.yy_[o] - 2 * bias * (data.y_[o] - mean) + n * bias * bias;
            baseline += data.yy_[o] - data.y_[o] * data.y_[o] / n;
        }
        residuals[item] = residual;
        baselines[item] = baseline;
    });

    double residual = 0, baseline = 0;
    for (size_t i = 0; i < n_items; i++) {
        residual += residuals[i];
        baseline += baselines[i];
    }
    if (!std::isfinite(residual) || !std::isfinite(baseline))
        throw failure(error_code::inference_failed, "the KV cache holds values that are not finite numbers");
    if (baseline <= 0) return residual > 0 ? 1 : 0;
    return std::max(0.0, residual / baseline);
}

}  // namespace overfill
