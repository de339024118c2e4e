// One message of a chat, as data files and templates have it.
#pragma once

#include <string>

namespace overfill {

struct chat_message {
    std::string role;  // as the template knows it: "system", "user", "assistant"
    std::string content;
};

}  // namespace overfill
