#include "failure.h"

#include <new>

namespace overfill {

const char * error_code_name(error_code code) {
    switch (code) {
    case error_code::aborted: return "ERR_ABORTED";
    case error_code::invalid_argument: return "ERR_INVALID_ARGUMENT";
    case error_code::model_not_found: return "ERR_MODEL_NOT_FOUND";
    case error_code::model_not_a_file: return "ERR_MODEL_NOT_A_FILE";
    case error_code::model_invalid: return "ERR_MODEL_INVALID";
    case error_code::model_unsupported: return "ERR_MODEL_UNSUPPORTED";
    case error_code::model_load_failed: return "ERR_MODEL_LOAD_FAILED";
    case error_code::adapter_mismatch: return "ERR_ADAPTER_MISMATCH";
    case error_code::pair_incompatible: return "ERR_PAIR_INCOMPATIBLE";
    case error_code::handover_unavailable: return "ERR_HANDOVER_UNAVAILABLE";
    case error_code::translator_invalid: return "ERR_TRANSLATOR_INVALID";
    case error_code::translator_mismatch: return "ERR_TRANSLATOR_MISMATCH";
    case error_code::prune_unsupported: return "ERR_PRUNE_UNSUPPORTED";
    case error_code::already_pruned: return "ERR_ALREADY_PRUNED";
    case error_code::importance_invalid: return "ERR_IMPORTANCE_INVALID";
    case error_code::importance_mismatch: return "ERR_IMPORTANCE_MISMATCH";
    case error_code::data_invalid: return "ERR_DATA_INVALID";
    case error_code::operation_unsupported: return "ERR_OPERATION_UNSUPPORTED";
    case error_code::training_diverged: return "ERR_TRAINING_DIVERGED";
    case error_code::checkpoint_invalid: return "ERR_CHECKPOINT_INVALID";
    case error_code::saved_session_invalid: return "ERR_SAVED_SESSION_INVALID";
    case error_code::saved_session_mismatch: return "ERR_SAVED_SESSION_MISMATCH";
    case error_code::file_read_failed: return "ERR_FILE_READ_FAILED";
    case error_code::file_write_failed: return "ERR_FILE_WRITE_FAILED";
    case error_code::context_overflow: return "ERR_CONTEXT_OVERFLOW";
    case error_code::out_of_memory: return "ERR_OUT_OF_MEMORY";
    case error_code::stage_order: return "ERR_STAGE_ORDER";
    case error_code::session_busy: return "ERR_SESSION_BUSY";
    case error_code::queue_full: return "ERR_QUEUE_FULL";
    case error_code::disposed: return "ERR_DISPOSED";
    case error_code::grammar_invalid: return "ERR_GRAMMAR_INVALID";
    case error_code::schema_unsupported: return "ERR_SCHEMA_UNSUPPORTED";
    case error_code::inference_failed: return "ERR_INFERENCE_FAILED";
    case error_code::llama_version_mismatch: return "ERR_LLAMA_VERSION_MISMATCH";
    case error_code::binding_load_failed: return "ERR_BINDING_LOAD_FAILED";
    case error_code::gpu_unavailable: return "ERR_GPU_UNAVAILABLE";
    case error_code::remote_unreachable: return "ERR_REMOTE_UNREACHABLE";
    case error_code::remote_incompatible: return "ERR_REMOTE_INCOMPATIBLE";
    case error_code::remote_answer_invalid: return "ERR_REMOTE_ANSWER_INVALID";
    case error_code::internal: return "ERR_INTERNAL";
    }
    return "ERR_INTERNAL";
}

// Made when the library is loaded; a copy shares its message.
static const failure no_memory(error_code::out_of_memory, "out of memory");

static failure failure_in_flight() {
    try {
        throw;
    } catch (const failure & error) {
        return error;
    } catch (const std::bad_alloc &) {
        return no_memory;
    } catch (const std::exception & error) {
        return failure(error_code::internal, error.what());
    } catch (...) {
        return failure(error_code::internal, "an unknown exception reached a thread's edge");
    }
}

// Called where nothing may be thrown any more.
failure current_failure() {
    try {
        return failure_in_flight();
    } catch (...) {
        return no_memory;
    }
}

}  // namespace overfill
