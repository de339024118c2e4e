// The one error type of the native rooms: a stable code, a message for people, and details for programs.
// Thrown inside a room, caught at every thread's edge, and turned into the JavaScript class by the binding.
#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace overfill {

enum class error_code {
    aborted,  // internal: the binding turns it into the signal's own reason
    invalid_argument,
    model_not_found,
    model_not_a_file,
    model_invalid,
    model_unsupported,
    model_load_failed,
    adapter_mismatch,
    pair_incompatible,
    handover_unavailable,
    translator_invalid,
    translator_mismatch,
    prune_unsupported,
    already_pruned,
    importance_invalid,
    importance_mismatch,
    data_invalid,
    training_diverged,
    checkpoint_invalid,
    saved_session_invalid,
    saved_session_mismatch,
    operation_unsupported,
    file_read_failed,
    file_write_failed,
    context_overflow,
    out_of_memory,
    stage_order,
    session_busy,
    queue_full,
    disposed,
    grammar_invalid,
    schema_unsupported,
    inference_failed,
    llama_version_mismatch,
    binding_load_failed,
    gpu_unavailable,
    remote_unreachable,
    remote_incompatible,
    remote_answer_invalid,
    internal,
};

// The public name, such as "ERR_MODEL_NOT_FOUND".
const char * error_code_name(error_code code);

// One of an error's facts, as a program reads it: a text, a number or a truth value. Counts and sizes are numbers.
class detail_value {
  public:
    detail_value(std::string text) : value_(std::move(text)) {}
    detail_value(const char * text) : value_(std::string(text)) {}
    template <class N, class = std::enable_if_t<std::is_arithmetic_v<N>>>
    detail_value(N number) : value_(to_variant(number)) {}

    // The one that it is; null otherwise.
    const std::string * text() const { return std::get_if<std::string>(&value_); }
    const double * number() const { return std::get_if<double>(&value_); }
    const bool * truth() const { return std::get_if<bool>(&value_); }

    bool operator==(const detail_value & o) const { return value_ == o.value_; }

  private:
    using variant = std::variant<std::string, double, bool>;

    static variant to_variant(bool value) { return value; }
    template <class N> static variant to_variant(N value) { return (double) value; }

    variant value_;
};

using error_details = std::vector<std::pair<std::string, detail_value>>;

class failure : public std::runtime_error {
  public:
    failure(error_code code, const std::string & message, error_details details = {})
        : std::runtime_error(message), code_(code), details_(std::move(details)) {}

    error_code code() const { return code_; }
    const error_details & details() const { return details_; }

  private:
    error_code code_;
    error_details details_;
};

// The exception in flight as a failure; for the `catch (...)` at a thread's edge.
failure current_failure();

}  // namespace overfill
