#include "options.h"

namespace overfill {

const char * finish_reason_name(finish_reason reason) {
    switch (reason) {
    case finish_reason::eos: return "eos";
    case finish_reason::stop: return "stop";
    case finish_reason::length: return "length";
    case finish_reason::abort: return "abort";
    case finish_reason::context: return "context";
    }
    return "abort";
}

const char * session_stage_name(session_stage stage) {
    switch (stage) {
    case session_stage::empty: return "empty";
    case session_stage::prefilled: return "prefilled";
    case session_stage::switched: return "switched";
    case session_stage::paused: return "paused";
    case session_stage::ended: return "ended";
    case session_stage::interrupted: return "interrupted";
    }
    return "empty";
}

}  // namespace overfill
