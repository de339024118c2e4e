// Ridge regression: a known map comes back from data it has made, and errors are what they are when counted out.
#include "check.h"
#include "ridge.h"

#include <cmath>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

// Data as K has them: correlated channels, some of them far from zero.
struct generated {
    generated(uint32_t n_in, uint32_t n_out, double noise, uint32_t seed) : noise(noise), random(seed) {
        map.n_in = n_in;
        map.n_out = n_out;
        for (size_t i = 0; i < (size_t) n_in * n_out; i++)
            map.weight.push_back(normal(random) / std::sqrt((float) n_in));
        for (size_t i = 0; i < n_out; i++) map.bias.push_back(10 * normal(random));
        for (size_t i = 0; i < n_in; i++) mean.push_back(i % 7 == 0 ? 50 * normal(random) : normal(random));
    }

    void rows(size_t n, std::vector<float> & x, std::vector<float> & y) {
        x.resize(n * map.n_in);
        y.resize(n * map.n_out);
        for (size_t r = 0; r < n; r++) {
            float last = 0;
            for (size_t i = 0; i < map.n_in; i++) {
                last = 0.5f * last + normal(random);
                x[r * map.n_in + i] = mean[i] + last;
            }
            for (size_t o = 0; o < map.n_out; o++) {
                double sum = map.bias[o];
                for (size_t i = 0; i < map.n_in; i++)
                    sum += (double) map.weight[o * map.n_in + i] * x[r * map.n_in + i];
                y[r * map.n_out + o] = (float) (sum + noise * normal(random));
            }
        }
    }

    linear_map map;
    std::vector<float> mean;
    double noise;
    std::mt19937 random;
    std::normal_distribution<float> normal;
};

double largest_difference(const std::vector<float> & a, const std::vector<float> & b) {
    double largest = a.size() == b.size() ? 0 : INFINITY;
    for (size_t i = 0; i < a.size() && i < b.size(); i++) largest = std::max(largest, std::fabs((double) a[i] - b[i]));
    return largest;
}

// The error as its definition says.
double counted_error(const linear_map & map, const std::vector<float> & x, const std::vector<float> & y) {
    const size_t n = y.size() / map.n_out;
    double residual = 0, baseline = 0;
    for (size_t o = 0; o < map.n_out; o++) {
        double mean = 0;
        for (size_t r = 0; r < n; r++) mean += y[r * map.n_out + o] / (double) n;
        for (size_t r = 0; r < n; r++) {
            double predicted = map.bias.empty() ? 0 : map.bias[o];
            for (size_t i = 0; i < map.n_in; i++)
                predicted += (double) map.weight[o * map.n_in + i] * x[r * map.n_in + i];
            residual += std::pow(y[r * map.n_out + o] - predicted, 2);
            baseline += std::pow(y[r * map.n_out + o] - mean, 2);
        }
    }
    return residual / baseline;
}

}  // namespace

TEST("a known map comes back from data it has made, whatever the sizes and the pieces the data come in") {
    const struct {
        uint32_t n_in, n_out;
    } shapes[] = { { 1, 1 }, { 3, 70 }, { 40, 33 }, { 64, 128 }, { 200, 96 } };
    for (const int32_t n_threads : { 1, 2 })
        for (const auto & shape : shapes) {
            generated data(shape.n_in, shape.n_out, 0, shape.n_in);
            thread_team team(n_threads);
            moments sums(shape.n_in, shape.n_out);
            std::vector<float> x, y;
            for (const size_t n : { (size_t) 1, (size_t) 5, (size_t) 127, (size_t) 128, (size_t) 129, (size_t) 700 }) {
                data.rows(n, x, y);
                sums.add(team, x.data(), y.data(), n);
            }
            CHECK_EQUAL(sums.n(), (uint64_t) 1090);
            const linear_map map = solve_ridge(team, sums, 1e-12);
            CHECK_EQUAL(map.n_in, shape.n_in);
            CHECK_EQUAL(map.n_out, shape.n_out);
            CHECK(largest_difference(map.weight, data.map.weight) < 1e-5);
            data.rows(300, x, y);
            CHECK(counted_error(map, x, y) < 1e-9);
        }
}

TEST("the held-out error is the one that counting gives, for a good map and for a bad one") {
    generated data(48, 80, 1.0, 5);
    thread_team team(2);
    moments fitted(48, 80), held_out(48, 80);
    std::vector<float> x, y;
    for (int i = 0; i < 4; i++) {
        data.rows(512, x, y);
        fitted.add(team, x.data(), y.data(), 512);
    }
    data.rows(333, x, y);
    held_out.add(team, x.data(), y.data(), 200);
    held_out.add(team, x.data() + 200 * 48, y.data() + 200 * 80, 133);

    linear_map map = solve_ridge(team, fitted, 1e-4);
    const double error = relative_error(team, held_out, map);
    CHECK(std::fabs(error / counted_error(map, x, y) - 1) < 1e-6);
    CHECK(error > 0.1 && error < 0.9);  // the noise, and no more than it

    for (float & weight : map.weight) weight *= -0.3f;
    CHECK(std::fabs(relative_error(team, held_out, map) / counted_error(map, x, y) - 1) < 1e-6);
    map.bias.clear();
    CHECK(std::fabs(relative_error(team, held_out, map) / counted_error(map, x, y) - 1) < 1e-6);

    // The mean alone is as good as the mean.
    std::fill(map.weight.begin(), map.weight.end(), 0.0f);
    set_bias(map, held_out);
    CHECK(std::fabs(relative_error(team, held_out, map) - 1) < 1e-6);
}

TEST("fewer data than channels give the smallest map that serves, and lambda makes it smaller") {
    generated data(100, 20, 0, 6);
    thread_team team(1);
    moments sums(100, 20);
    std::vector<float> x, y;
    data.rows(40, x, y);
    sums.add(team, x.data(), y.data(), 40);
    const auto size = [](const linear_map & map) {
        double sum = 0;
        for (const float weight : map.weight) sum += (double) weight * weight;
        return sum;
    };
    // Not positive definite without lambda: it grows by itself.
    const linear_map least = solve_ridge(team, sums, 0), more = solve_ridge(team, sums, 1);
    CHECK(counted_error(least, x, y) < 1e-3);
    CHECK(size(more) < size(least) && size(more) > 0);
    CHECK(size(least) < size(data.map));
}

TEST("one solution of the normal equations is the other's: a second implementation agrees") {
    // Plain Gaussian elimination on the centred equations, with lambda as ridge.h defines it.
    constexpr size_t n_in = 9, n_out = 4, n = 60;
    generated data(n_in, n_out, 0.5, 7);
    thread_team team(1);
    moments sums(n_in, n_out);
    std::vector<float> x, y;
    data.rows(n, x, y);
    sums.add(team, x.data(), y.data(), n);
    const double lambda = 0.3;

    double a[n_in][n_in + n_out] = {}, mean_x[n_in] = {}, mean_y[n_out] = {}, diagonal = 0;
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < n_in; i++) mean_x[i] += x[r * n_in + i] / (double) n;
        for (size_t o = 0; o < n_out; o++) mean_y[o] += y[r * n_out + o] / (double) n;
    }
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < n_in; i++) {
            const double xi = x[r * n_in + i] - mean_x[i];
            for (size_t j = 0; j < n_in; j++) a[i][j] += xi * (x[r * n_in + j] - mean_x[j]);
            for (size_t o = 0; o < n_out; o++) a[i][n_in + o] += xi * (y[r * n_out + o] - mean_y[o]);
        }
    for (size_t i = 0; i < n_in; i++) diagonal += a[i][i] / n_in;
    for (size_t i = 0; i < n_in; i++) a[i][i] += lambda * diagonal;
    for (size_t k = 0; k < n_in; k++)
        for (size_t i = 0; i < n_in; i++) {
            if (i == k) continue;
            const double factor = a[i][k] / a[k][k];
            for (size_t j = 0; j < n_in + n_out; j++) a[i][j] -= factor * a[k][j];
        }

    const linear_map map = solve_ridge(team, sums, lambda);
    for (size_t o = 0; o < n_out; o++) {
        double bias = mean_y[o];
        for (size_t i = 0; i < n_in; i++) {
            const double weight = a[i][n_in + o] / a[i][i];
            CHECK(std::fabs(map.weight[o * n_in + i] - weight) < 1e-6);
            bias -= weight * mean_x[i];
        }
        CHECK(std::fabs(map.bias[o] - bias) < 1e-4);
    }
}

TEST("data without variance give a bias, no data and no numbers are refused") {
    thread_team team(1);
    moments sums(3, 2);
    CHECK_FAILURE(error_code::invalid_argument, solve_ridge(team, sums, 0));
    const float x[] = { 1, 2, 3, 1, 2, 3 }, y[] = { 4, 5, 4, 7 };
    sums.add(team, x, y, 2);
    const linear_map map = solve_ridge(team, sums, 0);
    CHECK(map.bias[0] == 4 && map.bias[1] == 6 && map.weight == std::vector<float>(6, 0.0f));

    for (const float odd : { NAN, INFINITY }) {
        moments bad_x(3, 2), bad_y(3, 2);
        const float bad[] = { 1, odd, 3, 5, 7, 2 }, good[] = { 4, 5, 4, 7, 1, 3 };
        bad_x.add(team, bad, good, 2);
        CHECK_FAILURE(error_code::inference_failed, solve_ridge(team, bad_x, 0.1));
        CHECK_FAILURE(error_code::inference_failed, relative_error(team, bad_x, map));
        bad_y.add(team, good, bad, 2);
        CHECK_FAILURE(error_code::inference_failed, solve_ridge(team, bad_y, 0.1));
        CHECK_FAILURE(error_code::inference_failed, relative_error(team, bad_y, map));
    }
}
