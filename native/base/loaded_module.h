// The shared libraries of the process, by an address inside.
#pragma once

namespace overfill {

// Keeps the library with this address in the process until its end, whoever closes it. Returns false where the system
// refuses.
bool keep_loaded(const void * address);

// Whether both addresses lie in libraries whose files have the same name, in whatever folder.
bool same_file_name(const void * a, const void * b);

// The address of what the library that `address` lies in exports by this name, or nullptr.
void * find_in_module(const void * address, const char * name);

}  // namespace overfill
