#include "training_loop.h"

#include "failure.h"

#include <cmath>

namespace overfill {

static constexpr double checkpoint_every_ms = 10 * 60 * 1000;
static constexpr size_t n_recent_steps = 16;

training_loop::training_loop(const heal_options & options, const heal_events & events, const training_parts & parts,
                             training_state state, std::vector<std::vector<float>> best)
    : options_(options), events_(events), parts_(parts), state_(std::move(state)), best_(std::move(best)),
      first_step_(state_.n_steps), saved_step_(state_.n_steps) {
    last_.loss = state_.losses.empty() ? 0 : state_.losses.back();
}

heal_end training_loop::run(const std::atomic<bool> & stop) {
    heal_end end;
    try {
        end = run_steps(stop);
    } catch (const failure & error) {
        // What an aborted pass has left in the gradients is not the state: that is as after the last step.
        if (error.code() == error_code::aborted) save();
        throw;
    }
    save();
    put_best();
    return end;
}

heal_end training_loop::run_steps(const std::atomic<bool> & stop) {
    const uint64_t interval = options_.eval_interval;
    while (true) {
        const bool at_end = state_.n_steps >= parts_.n_steps;
        const bool evaluates = state_.n_steps == 0 || at_end || (interval > 0 && state_.n_steps % interval == 0);
        if (stop) throw failure(error_code::aborted, "training was aborted");
        if (parts_.held_out && evaluates && !state_.evaluated()) evaluate();
        if (at_end) return heal_end::steps;
        if (out_of_patience()) return heal_end::patience;
        if (checkpoint_is_due()) save();
        step();
    }
}

// --- evaluations ---

void training_loop::evaluate() {
    const double loss = parts_.held_out->loss(parts_.student, [&](double fraction) {
        if (events_.on_progress) events_.on_progress(progress(heal_stage::evaluating, fraction));
    });
    state_.evaluations.push_back({ state_.n_steps, loss });
    if (state_.best_evaluation() == (int64_t) state_.evaluations.size() - 1) keep_best();
    parts_.log.write({ { "step", (double) state_.n_steps }, { "evaluation", loss } });
    state_.log_bytes = parts_.log.n_bytes();
    if (events_.on_evaluation) events_.on_evaluation(state_.evaluations.back());
}

bool training_loop::out_of_patience() const {
    return options_.patience > 0 && !state_.evaluations.empty() &&
           state_.n_evaluations_since_best() >= options_.patience;
}

void training_loop::keep_best() {
    if (options_.patience == 0) return;
    const std::vector<ggml_tensor *> & trained = parts_.student.trained();
    best_.resize(trained.size());
    for (size_t i = 0; i < trained.size(); i++) {
        best_[i].resize((size_t) ggml_nelements(trained[i]));
        ggml_backend_tensor_get(trained[i], best_[i].data(), 0, best_[i].size() * sizeof(float));
    }
}

void training_loop::put_best() {
    for (size_t i = 0; i < best_.size(); i++)
        ggml_backend_tensor_set(parts_.student.trained()[i], best_[i].data(), 0, best_[i].size() * sizeof(float));
}

// --- checkpoints ---

bool training_loop::checkpoint_is_due() const {
    if (options_.checkpoint_interval == 0) return since_saved_.milliseconds() > checkpoint_every_ms;
    return state_.n_steps != saved_step_ && state_.n_steps % options_.checkpoint_interval == 0;
}

void training_loop::save() {
    write_checkpoint(parts_.checkpoint_path, parts_.facts, state_,
                     { parts_.student.trained(), parts_.student.optimiser(), best_ });
    saved_step_ = state_.n_steps;
    since_saved_ = {};
}

// --- steps ---

[[noreturn]] static void diverged(uint64_t step, const char * what, double value) {
    const std::string number = std::to_string(step);
    throw failure(error_code::training_diverged,
                  "training diverged at step " + number + ": the " + what + " is " + std::to_string(value) +
                      "; a lower learning rate or a longer warm-up may help",
                  { { "step", step } });
}

void training_loop::step() {
    const stopwatch watch;
    student_model & student = parts_.student;
    std::vector<train_sequence> sequences;
    for (uint32_t i = 0; i < options_.batch_size; i++)
        for (train_sequence & sequence : parts_.data.next().sequences) sequences.push_back(std::move(sequence));

    student.gradients().clear();
    const pass_sums sums = student.learn(sequences);
    if (!std::isfinite(sums.total)) diverged(state_.n_steps, "loss", sums.total);
    const double norm = student.gradients().norm();
    if (!std::isfinite(norm)) diverged(state_.n_steps, "gradient's norm", norm);
    if (options_.clip > 0 && norm > options_.clip) student.gradients().multiply((float) (options_.clip / norm));
    const double rate = options_.rate.at(state_.n_steps, parts_.n_steps);
    student.optimiser().step(rate);
    finish_step(sums, options_.batch_size, norm, rate, watch.milliseconds());
}

// From here on the step is done: nothing below may fail before the state says so.
void training_loop::finish_step(const pass_sums & sums, uint64_t n_examples, double norm, double rate,
                                double milliseconds) {
    state_.n_steps++;
    state_.n_examples += n_examples;
    state_.n_tokens += sums.n_targets;
    state_.losses.push_back(sums.cross_entropy);
    state_.data = parts_.data.state();

    all_.n_tokens += sums.n_tokens;
    all_.milliseconds += milliseconds;
    recent_.push_back({ sums.n_tokens, milliseconds });
    if (recent_.size() > n_recent_steps) recent_.pop_front();
    last_.loss = sums.cross_entropy;
    last_.learning_rate = rate;
    last_.gradient_norm = norm;

    std::vector<std::pair<std::string, double>> line = { { "step", (double) state_.n_steps },
                                                         { "loss", sums.cross_entropy },
                                                         { "learningRate", rate },
                                                         { "gradientNorm", norm },
                                                         { "tokens", (double) state_.n_tokens },
                                                         { "tokensPerSecond", recent_speed() } };
    if (options_.distil.share > 0) line.insert(line.begin() + 2, { "divergence", sums.divergence });
    parts_.log.write(line);
    state_.log_bytes = parts_.log.n_bytes();
    if (events_.on_progress)
        events_.on_progress(progress(heal_stage::training, (double) state_.n_steps / (double) parts_.n_steps));
}

// --- progress ---

static double per_second(double n, double milliseconds) { return milliseconds > 0 ? n * 1000 / milliseconds : 0; }

double training_loop::recent_speed() const {
    timed sum;
    for (const timed & step : recent_) {
        sum.n_tokens += step.n_tokens;
        sum.milliseconds += step.milliseconds;
    }
    return per_second((double) sum.n_tokens, sum.milliseconds);
}

double training_loop::tokens_per_second() const { return per_second((double) all_.n_tokens, all_.milliseconds); }

heal_progress training_loop::progress(heal_stage stage, double fraction) const {
    heal_progress out = last_;
    out.stage = stage;
    out.fraction = fraction;
    out.step = state_.n_steps;
    out.n_steps = parts_.n_steps;
    out.n_tokens = state_.n_tokens;
    out.tokens_per_second = recent_speed();
    return out;
}

}  // namespace overfill
