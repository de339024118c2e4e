# The Metal kernel's source as one text, for Metal's compiler at run time: the headers in place of their includes, in a
# raw string that translate_metal.mm includes. Run as a script, so that a change of a header makes it anew:
#
#   cmake -D HANDOVER=<native/handover> -D OUTPUT=<header> -P metal.cmake
#
# Included from CMakeLists.txt on Apple systems, it adds the sources to overfill_handover.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "")
  foreach(file kernel/kernel_tables.h kernel/kernel_platform.h kernel/kernel_values.h kernel/translate_kernel.h
               metal/translate.metal)
    file(READ "${HANDOVER}/${file}" part)
    string(REGEX REPLACE "#include \"[^\"]*\"\n" "" part "${part}")
    string(REPLACE "#pragma once\n" "" part "${part}")
    string(APPEND text "${part}\n")
  endforeach()
  file(WRITE "${OUTPUT}" "// Made by cmake/metal.cmake.\n#pragma once\n\n"
    "static const char translate_metal_source[] = R\"metal(${text})metal\";\n")
  return()
endif()

enable_language(OBJCXX)
set(handover "${CMAKE_SOURCE_DIR}/native/handover")
set(generated "${CMAKE_BINARY_DIR}/generated")
set(embedded "${generated}/translate_metal_source.h")
file(GLOB kernel_sources CONFIGURE_DEPENDS "${handover}/kernel/*.h")
add_custom_command(OUTPUT "${embedded}"
  COMMAND ${CMAKE_COMMAND} -D "HANDOVER=${handover}" -D "OUTPUT=${embedded}" -P "${CMAKE_SOURCE_DIR}/cmake/metal.cmake"
  DEPENDS ${kernel_sources} "${handover}/metal/translate.metal" "${CMAKE_SOURCE_DIR}/cmake/metal.cmake"
  VERBATIM)
target_sources(overfill_handover PRIVATE "${handover}/metal/translate_metal.mm" "${embedded}")
set_source_files_properties("${handover}/metal/translate_metal.mm" PROPERTIES COMPILE_OPTIONS -fobjc-arc)
target_include_directories(overfill_handover PRIVATE "${generated}")
target_link_libraries(overfill_handover PRIVATE "-framework Foundation" "-framework Metal")
