#include "pair.h"

#include "cache_sharing.h"
#include "cell_wiping.h"
#include "clock.h"
#include "failure.h"
#include "image_tokens.h"
#include "llama_log.h"
#include "memory_lending.h"
#include "memory_size.h"
#include "pair_identity.h"
#include "sequence_copy.h"
#include "version_gate.h"

#include <ggml-backend.h>

#include <algorithm>

namespace overfill {

// What a graph that translates reads of a layer at once (handover/device_graph.cpp). Fewer would need more questions to
// the other machine, each of which costs the way there and back.
static constexpr uint32_t rows_of_a_question = 512;

// Settles on what the caller and the plan allow, or refuses.
static void choose_handover(pair_plan & plan, handover_choice choice) {
    check_handover(plan, choice);
    if (choice != handover_choice::translate) return;
    if (plan.one_model)
        throw failure(error_code::handover_unavailable,
                      "a pair of one model has one cache, and nothing to translate; name the decode model too",
                      { { "kind", handover_kind_name(plan.kind) } });
    plan.kind = handover_kind::translate;
}

pair::pair(const pair_options & options, ggml_abort_callback should_abort, void * abort_data,
           const std::function<bool(float)> & on_progress)
    : beside_answers_(options.prefill_share, options.batch_size) {
    const auto turn = wait_for_load_turn(on_progress);
    const stopwatch watch;
    // Before anything takes long.
    if (!options.prefix_directory.empty()) const prefix_folder writable(options.prefix_directory);
    models_ = load_and_compare(options, load_depth::weights, on_progress);
    pieces_ = std::make_shared<token_pieces>(vocab());
    has_image_tokens_ = leaves_image_tokens(prefill_model());
    for (compared_writer & model : models_.writers)
        for_writer(options, model.name, [&] { choose_handover(model.plan, options.handover); });
    pool_ = std::make_unique<compute_pool>(options.n_threads);
    make_contexts(options, should_abort, abort_data);

    for (llama_batch & batch : batches_) {
        batch = llama_batch_init((int32_t) std::max(info_.batch_size, options.max_sessions), 0, 1);
        if (!batch.token) throw failure(error_code::out_of_memory, "not enough memory for a batch");
    }
    handed_ahead_ = options.handed_ahead.value_or(options.prefill.remote.empty() ? 0 : rows_of_a_question);
    set_info(options);
    make_prefix_cache(options);
    info_.load_ms = watch.milliseconds();
}

// Whether rows of single tokens, with a state, are all that there is to go on from. Not where tokens are found through
// an index or several become one; nor where sessions share a stream with a sliding window, as llama.cpp then gives
// others the cells that a window has passed.
static bool keeps_rows(memory_form form) {
    switch (form) {
    case memory_form::attention:
    case memory_form::sliding:
    case memory_form::recurrent:
    case memory_form::hybrid: return true;
    default: return false;
    }
}

static uint64_t bytes_of_weights(const compared_models & models) {
    uint64_t n = models.prefill_traits.n_bytes;
    for (const compared_writer & writer : models.writers)
        if (writer.model) n += writer.traits.n_bytes;
    return n;
}

void pair::make_prefix_cache(const pair_options & options) {
    if (options.prefix_cache_bytes == 0 || !keeps_rows(models_.prefill_traits.memory.form)) return;
    const uint64_t weights = bytes_of_weights(models_);
    const uint64_t taken = weights + info_.kv_bytes;
    const uint64_t n_bytes =
        options.prefix_cache_bytes != default_prefix_cache_bytes
            ? options.prefix_cache_bytes
            : std::max(least_prefix_cache_bytes,
                       options.available_bytes > taken ? (options.available_bytes - taken) / 4 : 0);
    const uint64_t state = can_cut_ ? 0 : state_bytes_per_session(models_.prefill_traits) / 2;  // which has a spare
    if (state > n_bytes / 2) return;
    rows_ = std::make_unique<kv_rows>(prefill_.get());
    prefixes_ = std::make_unique<prefix_cache>((size_t) n_bytes, rows_->token_bytes(), can_cut_);
    info_.prefix_cache_bytes = n_bytes;
    if (!options.prefix_directory.empty()) open_prefix_files(options);
    if (can_cut_) return;
    const uint32_t unit = GGML_PAD(info_.batch_size, prefix_cache::block_size);
    const uint64_t n_alike = rows_->token_bytes() > 0 ? state / rows_->token_bytes() / unit : 4;
    checkpoint_stride_ = unit * (uint32_t) std::clamp<uint64_t>(n_alike, 2, 16);
}

void pair::open_prefix_files(const pair_options & options) {
    std::string identity = "llama.cpp " + llama_version_loaded() + "\n";
    const auto add = [](std::string & to, const std::string & name, const std::string & value) {
        to += name + ": " + value + "\n";
    };
    for (const auto & [name, value] : identify_prefill(options).facts) add(identity, name, value);
    for (const auto & [name, value] : state_layout_of(prefill_.get())) add(identity, name, value);
    std::string computing;
    add(computing, "micro-batch", std::to_string(info_.batch_size));
    add(computing, "threads", std::to_string(info_.n_threads));
    add(computing, "flash attention", info_.flash_attn ? "on" : "off");
    add(computing, "matrix kernels", info_.kernels.leaf.empty() ? "ggml's" : info_.kernels.leaf);
    add(computing, "layers on devices", std::to_string(options.prefill.n_gpu_layers));
    if (!options.prefill.remote.empty()) add(computing, "devices", cache_devices(models_.prefill.get()) + ", remote");
    for (size_t i = 0; i < ggml_backend_dev_count(); i++)
        add(computing, ggml_backend_dev_name(ggml_backend_dev_get(i)),
            ggml_backend_dev_description(ggml_backend_dev_get(i)));
    prefix_files_ = std::make_unique<overfill::prefix_files>(overfill::prefix_files::options{
        options.prefix_directory, options.prefix_disk_bytes, identity, computing, rows_->token_bytes() });
}

void pair::set_info(const pair_options & options) {
    info_.prefill = models_.prefill_traits;
    info_.prefill_adapters = facts_of(models_.prefill_adapters);
    for (size_t i = 0; i < writers_.size(); i++) {
        const compared_writer & model = models_.writers[i];
        info_.writers.push_back({ model.name, model.traits, facts_of(model.adapters), model.plan, writers_[i].apart });
    }
    info_.n_threads = options.n_threads;
    info_.flash_attn = uses_flash_attention(prefill_.get());
    info_.kernels = kernel_use_of(models_.prefill.get(), options.prefill.use_kernels);
    for (size_t i = 0; info_.kernels.leaf.empty() && i < writers_.size(); i++) {
        if (!models_.writers[i].model) continue;
        const kernel_use use = kernel_use_of(models_.writers[i].model.get(), options.prefill.use_kernels);
        if (!use.leaf.empty()) info_.kernels = use;
    }
    info_.kv_bytes_per_token =
        kv_bytes_per_token(models_.prefill_traits, { options.cache_type_k, options.cache_type_v, !info_.flash_attn });
    info_.kv_bytes = memory_bytes(prefill_.get());
    for (size_t i = 0; i < writers_.size(); i++)
        if (!shares(decode_side(i))) info_.kv_bytes += memory_bytes(writers_[i].context.get());
}

pair::~pair() {
    for (llama_batch & batch : batches_)
        if (batch.token) llama_batch_free(batch);
}

const std::string & pair::name_of(pair_side side) const {
    static const std::string prefill = "prefill";
    return side == pair_side::prefill ? prefill : models_.writers.at(decode_index(side)).name;
}

bool pair::serves(pair_side writer, pair_side reader) const {
    if (writer == pair_side::prefill || writer == reader || !shares(writer)) return true;
    const std::vector<int32_t> & layers = plan_of(writer).layer_map;
    return layers.empty() || (reader != pair_side::prefill && shares(reader) && plan_of(reader).layer_map == layers);
}

bool pair::ends_answer(llama_token token, pair_side writer) const {
    const llama_model * model = llama_get_model(context(writer));
    return llama_vocab_is_eog(vocab(), token) || llama_vocab_is_eog(llama_model_get_vocab(model), token);
}

llama_context * pair::context(pair_side side) const {
    if (side == pair_side::prefill) return prefill_.get();
    llama_context * own = writers_.at(decode_index(side)).context.get();
    return own ? own : prefill_.get();
}

uint32_t pair::batch_size(pair_side side) const {
    return side == pair_side::prefill ? info_.batch_size : std::min(info_.batch_size, llama_n_ubatch(context(side)));
}

batch_costs & pair::costs(pair_side side) {
    return context(side) == prefill_.get() ? prefill_costs_ : writer_of(side).costs;
}

double pair::token_ratio(pair_side writer) const {
    const uint64_t n_reads = models_.prefill_traits.n_bytes,
                   n_writes = models_.writers.at(decode_index(writer)).traits.n_bytes;
    return n_writes > 0 ? std::max(1.0, (double) n_reads / (double) n_writes) : 1.0;
}

void pair::begin_piece(std::optional<double> answers_ms) {
    most_now_ = UINT32_MAX;
    if (!answers_ms) return;
    beside_answers_.saw_answers(*answers_ms);
    most_now_ = beside_answers_.size();
    n_before_piece_ = n_tokens_[0] + n_tokens_[1];
    piece_watch_ = {};
}

void pair::end_piece() {
    if (most_now_ == UINT32_MAX) return;
    most_now_ = UINT32_MAX;
    if (last_read_) llama_synchronize(last_read_);
    beside_answers_.saw_piece((uint32_t) (n_tokens_[0] + n_tokens_[1] - n_before_piece_), piece_watch_.milliseconds());
}

bool pair::read(pair_side by, const llama_token * tokens, uint32_t n, llama_pos position, llama_seq_id sequence,
                uint32_t n_logits) {
    // A graph without any logits is another graph, which cannot be reused, and Chameleon's does not even bear it.
    n_logits = std::max(n_logits, 1u);
    llama_batch & batch = batch_of(by);
    batch.n_tokens = (int32_t) n;
    for (uint32_t i = 0; i < n; i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = position + (llama_pos) i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = sequence;
        batch.logits[i] = i + n_logits >= n;
    }
    return run_batch(by, n);
}

bool pair::read_rows(pair_side by, const std::vector<row> & rows) {
    llama_batch & batch = batch_of(by);
    int32_t at = 0;
    uint32_t n_tokens = 0;
    for (const row & one : rows) {
        n_tokens += one.n;
        for (uint32_t i = 0; i < one.n_read; i++, at++) {
            batch.token[at] = one.tokens[std::min(i, one.n - 1)];
            batch.pos[at] = one.position + (llama_pos) i;
            batch.n_seq_id[at] = 1;
            batch.seq_id[at][0] = one.sequence;
            batch.logits[at] = i < one.n;
        }
    }
    batch.n_tokens = at;
    return run_batch(by, n_tokens);
}

bool pair::run_batch(pair_side by, uint32_t n_tokens) {
    llama_context * ctx = context(by);
    const llama_batch & batch = batch_of(by);
    if (is_computing_ && ctx == prefill_.get())
        throw failure(error_code::internal, "the prefill model was to read while it computes");
    // Contexts may use the same cells, and a device computes behind the back of the call that returned.
    if (last_read_ && last_read_ != ctx) llama_synchronize(last_read_);
    last_read_ = ctx;
    std::string errors;
    const auto decode = [&] {
        const log_capture log;
        if (maps_layers_ && shares(by))
            for (int32_t i = 0; i < batch.n_tokens; i++)
                if (i == 0 || batch.seq_id[i][0] != batch.seq_id[i - 1][0])
                    align_write_position(ctx, batch.seq_id[i][0]);
        const int32_t status = llama_decode(ctx, batch);
        if (status != 0) errors = log.errors();
        return status;
    };
    int32_t status = compute(ctx, decode);
    // No cells are free, and nothing was written.
    for (; status == 1 && make_room_; status = compute(ctx, decode)) make_room_();
    switch (status) {
    case 0:
        n_tokens_[by != pair_side::prefill] += n_tokens;
        n_batches_[by != pair_side::prefill]++;
        if (by != pair_side::prefill) meters_->decode_batch_sizes.add(n_tokens);
        if (has_image_tokens_) remove_image_tokens(ctx, batch);
        return true;
    case 2: return false;
    case -2: throw failure(error_code::out_of_memory, "not enough memory for a step of inference: " + errors);
    default:
        throw failure(error_code::inference_failed,
                      "llama.cpp failed with status " + std::to_string(status) + ": " + errors,
                      { { "status", status } });
    }
}

pair_metrics pair::metrics() const {
    pair_metrics out;
    out.n_prefill_tokens = n_tokens_[0];
    out.n_prefill_batches = n_batches_[0];
    out.n_decode_tokens = n_tokens_[1];
    out.n_decode_batches = n_batches_[1];
    out.first_token_ms = meters_->first_token_ms.read();
    out.between_tokens_ms = meters_->between_tokens_ms.read();
    if (prefixes_) out.prefixes = prefixes_->counts();
    if (prefix_files_) out.prefix_files = prefix_files_->counts();
    out.decode_batch_sizes = meters_->decode_batch_sizes.read();
    return out;
}

handover_report pair::hand_over(llama_seq_id sequence, uint32_t n_tokens, uint32_t n_kept, pair_side writer) {
    const stopwatch watch;
    settle(prefill_.get());
    handover_report report;
    if (writer == pair_side::prefill) {
        report.reason = "the prefill model writes by itself";
    } else if (shares(writer)) {
        report.reason = plan_of(writer).one_model ? "one model reads and writes" : summarize(plan_of(writer));
    } else {
        translate_handover & over = *writer_of(writer).over;
        if (n_kept < n_tokens)
            with_room([&] { report = over.run(sequence, (llama_pos) n_kept); });
        else
            report = over.nothing_to_do();
        const bool asked = plan_of(writer).reasons.empty();
        report.reason = (asked ? "translate was asked for" : summarize(plan_of(writer))) + "; " + report.reason;
    }
    report.writer = name_of(writer);
    report.n_tokens = n_tokens;
    report.kind = shares(writer) ? handover_kind::share : handover_kind::translate;
    report.milliseconds = watch.milliseconds();
    return report;
}

uint32_t pair::handed_ahead(pair_side side) const {
    // With several decode models nobody knows yet which is to write; and a state that cannot be cut is moved whole.
    return writers_.size() == 1 && can_cut_ && !shares(side) ? handed_ahead_ : 0;
}

void pair::hand_back(llama_seq_id sequence, llama_pos from, pair_side side) {
    if (shares(side)) return;
    settle(prefill_.get());
    writer & own = writer_of(side);
    if (!own.back) {
        const translator & how = models_.writers[decode_index(side)].how;
        translation plan = inverse_of(resolve_translation(prefill_.get(), own.context.get(), how), prefill_.get());
        if (plan.steps.empty())
            throw failure(error_code::handover_unavailable,
                          "what the decode model wrote cannot be translated back for the prefill model; have it read "
                          "again (refresh: true)",
                          { { "parameter", "refresh" } });
        own.back =
            std::make_unique<translate_handover>(own.context.get(), prefill_.get(), std::move(plan), implementation_);
    }
    with_room([&] { own.back->run(sequence, from); });
}

void pair::with_room(const std::function<void()> & write) {
    while (true) try {
            return write();
        } catch (const failure & error) {
            if (!make_room_ || error.code() != error_code::context_overflow) throw;
            make_room_();
        }
}

void pair::copy(llama_context * ctx, llama_seq_id from, llama_seq_id to) {
    synchronize(ctx);
    copy_sequence(ctx, from, to);
}

sequence_state pair::save(llama_context * ctx, llama_seq_id sequence, state_part part) {
    synchronize(ctx);
    return save_sequence(ctx, sequence, part);
}

std::shared_ptr<const gradual_state> pair::save_gradually(llama_context * ctx, llama_seq_id sequence) {
    synchronize(ctx);
    return std::make_shared<const gradual_state>(ctx, sequence, state_part::all);
}

void pair::give_values(llama_context * ctx, const gradual_state & of, size_t at, uint8_t * to, size_t n) {
    synchronize(ctx);
    of.read(at, to, n);
}

bool pair::restore(llama_context * ctx, llama_seq_id sequence, const sequence_state & state, state_part part) {
    synchronize(ctx);
    return restore_sequence(ctx, sequence, state, part);
}

std::vector<uint8_t> pair::save_uncuttable(llama_context * ctx, llama_seq_id sequence) {
    synchronize(ctx);
    return overfill::save_uncuttable(ctx, sequence);
}

bool pair::restore_uncuttable(llama_context * ctx, llama_seq_id sequence, const std::vector<uint8_t> & state) {
    synchronize(ctx);
    return overfill::restore_uncuttable(ctx, sequence, state);
}

void pair::wipe(llama_context * ctx, llama_seq_id sequence, llama_pos from) {
    synchronize(ctx);
    wipe_cells(ctx, sequence, from);
}

void pair::forget(llama_context * ctx, llama_seq_id sequence, llama_pos from) {
    settle(ctx);
    if (!llama_memory_seq_rm(llama_get_memory(ctx), sequence, from, -1))
        throw failure(error_code::internal, "a memory that can be cut refused to be");
}

}  // namespace overfill
