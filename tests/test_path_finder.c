// Instructions that no compiler makes of a tp_traverse, and all those that it does: each function
// is right for every object, and those that can be are learned.
#include "common.h"

#include "learned.h"

#if defined(HAVE_CAPSTONE) && defined(__x86_64__)

#    include "scene_learned.h"

// The carry of a comparison, past an instruction that sets all flags but that.
TRAP(carry_past_inc,
     ENTRY "mov 64(%rbx),%rax; mov $1,%ecx; cmp $3,%rax; inc %ecx; jb 1f;" VISIT_BOTH);
// The flags of a comparison, past a shift by nothing.
TRAP(flags_past_shift,
     ENTRY "mov 64(%rbx),%rax; mov $0,%ecx; mov $1,%edx; cmp $3,%rax; shl %cl,%edx; jb 1f;" //
     VISIT_BOTH);
// Bytes of a word.
TRAP(low_byte_replaced, ENTRY "mov 16(%rbx),%rdi; mov $0x10,%dil; call *%rbp;" VISIT_BOTH);
TRAP(high_byte_tested, ENTRY "mov 48(%rbx),%rax; test $1,%ah; jnz 1f;" VISIT_BOTH);
TRAP(half_tested, ENTRY "mov 48(%rbx),%rax; shr $8,%eax; test $1,%eax; jnz 1f;" VISIT_BOTH);
TRAP(half_copied, ENTRY "mov 48(%rbx),%rax; mov %eax,%edi; call *%rbp;" VISIT_BOTH);
TRAP(half_stored, ENTRY "push 48(%rbx); movl $7,4(%rsp); pop %rdi; call *%rbp;" VISIT_BOTH);
TRAP(byte_stored, ENTRY "push 48(%rbx); movb $7,(%rsp); pop %rdi; call *%rbp;" VISIT_BOTH);
TRAP(between_words,
     ENTRY "push 48(%rbx); push 48(%rbx); mov 4(%rsp),%rdi; pop %rax; pop %rax; call *%rbp;" //
     VISIT_BOTH);
TRAP(by_minus_one, ENTRY "cmpq $-1,40(%rbx); je 1f;" VISIT_BOTH);
TRAP(by_choice,
     ENTRY "mov 16(%rbx),%rdi; mov 24(%rbx),%rax; test %rdi,%rdi; cmove %rax,%rdi; call *%rbp;" //
     VISIT_BOTH);
TRAP(by_set_byte,
     ENTRY "xor %eax,%eax; cmpq $0,16(%rbx); sete %al; mov 24(%rbx,%rax,8),%rdi; call *%rbp;" //
     VISIT_BOTH);
TRAP(pointer_as_index, ENTRY "mov 72(%rbx),%rax; mov $16,%ecx; test %rax,%rax; jz 1f;"
                             "mov (%rcx,%rax,1),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pointer_twice, ENTRY "mov 48(%rbx),%rax; lea (%rax,%rax),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pointer_doubled, ENTRY "mov 48(%rbx),%rax; lea (,%rax,2),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(by_less, ENTRY "mov 64(%rbx),%rax; cmp $3,%rax; jl 1f;" VISIT_BOTH);
TRAP(distance, ENTRY "mov 56(%rbx),%rax; sub 48(%rbx),%rax; cmp $24,%rax; jne 1f;" VISIT_BOTH);
TRAP(negative_length,
     ENTRY "mov 64(%rbx),%rax; neg %rax; lea 3(%rax),%rax; test %rax,%rax; js 1f;" VISIT_BOTH);
TRAP(returns_into, ENTRY "lea 2f(%rip),%rax; push %rax; ret; 2: test %rbx,%rbx; jz 1f;" VISIT_BOTH);
TRAP(borrow, ENTRY "cmpq $3,64(%rbx); sbb %rax,%rax; test %rax,%rax; jnz 1f;" VISIT_BOTH);
TRAP(exchange,
     ENTRY "mov 16(%rbx),%rdi; mov 24(%rbx),%rax; xchg %rax,%rdi; call *%rbp;" VISIT_BOTH);
TRAP(vector, ENTRY "movdqu 16(%rbx),%xmm0; movq %xmm0,%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pushed_flags, ENTRY "cmpq $3,64(%rbx); pushf; pop %rax; test $1,%al; jnz 1f;" VISIT_BOTH);
TRAP(left_by_others, ENTRY "test %r11,%r11; jz 2f; 2:" VISIT_BOTH);
TRAP(below_stack, ENTRY "mov -4200(%rsp),%rax; test $1,%al; jnz 2f; 2:" VISIT_BOTH);

struct path_finder_row {
    struct row row;
    bool is_learned;
};

// Each of them is right for every object, and those that can be are learned.
static void expect_rows(const struct path_finder_row *rows, size_t count)
{
    struct process *process = new_filled_process();
    for (size_t i = 0; i < count; i++) {
        struct learned_counts counts =
            expect_all(process, rows[i].row.name, address_of_code(rows[i].row.function));
        cr_expect_eq(counts.by_path > OBJECTS / 2, rows[i].is_learned, "%s: %llu by path",
                     rows[i].row.name, (unsigned long long)counts.by_path);
    }
    free_process(process);
}

Test(path_finder, odd_instructions)
{
    static const struct path_finder_row rows[] = {
        {ROW(carry_past_inc), false},   {ROW(flags_past_shift), false},
        {ROW(low_byte_replaced), true}, {ROW(high_byte_tested), false},
        {ROW(half_tested), false},      {ROW(half_copied), false},
        {ROW(half_stored), false},      {ROW(byte_stored), false},
        {ROW(between_words), false},    {ROW(by_minus_one), true},
        {ROW(by_choice), false},        {ROW(by_set_byte), true},
        {ROW(pointer_as_index), true},  {ROW(pointer_twice), false},
        {ROW(distance), false},         {ROW(negative_length), true},
        {ROW(returns_into), true},      {ROW(borrow), false},
        {ROW(exchange), false},         {ROW(vector), false},
        {ROW(pushed_flags), false},     {ROW(left_by_others), false},
        {ROW(below_stack), false},      {ROW(pointer_doubled), false},
        {ROW(by_less), true},
    };
    expect_rows(rows, LENGTH(rows));
}

// ---- Each instruction that is understood, and what is not

TRAP(
    frame_left, ENTRY
    "mov %rbp,%rcx; mov 16(%rbx),%rbp; push %rbp; mov %rsp,%rbp; sub $32,%rsp; leave; mov %rbp,%rdi; mov %rcx,%rbp; call *%rbp;" VISIT_BOTH);
TRAP(sign_extended, ENTRY "movslq 64(%rbx),%rax; mov 8(%rbx,%rax,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(sign_extended_in_place,
     ENTRY "mov 64(%rbx),%eax; cltq; mov 8(%rbx,%rax,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(sign_of_a_word,
     ENTRY "mov 48(%rbx),%rdx; mov 64(%rbx),%rax; cqto; test %rdx,%rdx; js 1f;" VISIT_BOTH);
TRAP(sign_of_a_half, ENTRY "mov 64(%rbx),%eax; cwtl; cltd; test %edx,%edx; jnz 1f;" VISIT_BOTH);
TRAP(sign_of_a_pointer, ENTRY "mov 48(%rbx),%rax; cqto; test %rdx,%rdx; js 1f;" VISIT_BOTH);
TRAP(times_constant, ENTRY "imul $8,64(%rbx),%rax; mov 8(%rbx,%rax),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(
    times_register, ENTRY
    "mov $8,%ecx; mov 64(%rbx),%rax; imul %rcx,%rax; mov 8(%rbx,%rax),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(times_two_words,
     ENTRY "mov 64(%rbx),%rax; mov $8,%ecx; imul %rcx; mov %rax,%rdi; call *%rbp;" VISIT_BOTH);
TRAP(cleared, ENTRY "sub %ecx,%ecx; mov 16(%rbx,%rcx,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(low_byte_cleared, ENTRY "mov 16(%rbx),%rdi; xor %dil,%dil; call *%rbp;" VISIT_BOTH);
TRAP(popped_to_memory,
     ENTRY "push %rax; push 16(%rbx); pop (%rsp); pop %rdi; call *%rbp;" VISIT_BOTH);
TRAP(pushed_constant, ENTRY "push $16; pop %rcx; mov (%rbx,%rcx),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pushed_half,
     ENTRY "push 48(%rbx); pop %rax; pushw $7; sub $6,%rsp; pop %rdi; call *%rbp;" VISIT_BOTH);
TRAP(
    left_half, ENTRY
    "mov %rbp,%rcx; push 48(%rbx); mov %rsp,%rbp; .byte 0x66,0xc9; mov %rbp,%rdi; add $6,%rsp; mov %rcx,%rbp; call *%rbp;" VISIT_BOTH);
TRAP(added_to_object, ENTRY
     "mov 64(%rbx),%rax; shl $3,%rax; add %rbx,%rax; mov 8(%rax),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(taken_from_constant,
     ENTRY "mov $6,%eax; sub 64(%rbx),%rax; mov 8(%rbx,%rax,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(difference_is_zero, ENTRY "mov 64(%rbx),%rax; sub $3,%rax; jz 1f;" VISIT_BOTH);
TRAP(decreased_to_zero, ENTRY "mov 64(%rbx),%rax; dec %rax; jz 1f;" VISIT_BOTH);
TRAP(carry_past_inc_of_it, ENTRY "mov 64(%rbx),%rax; cmp $3,%rax; inc %rax; jb 1f;" VISIT_BOTH);
TRAP(carry_of_constants, ENTRY "mov $1,%ecx; add $1,%rcx; inc %ecx; jc 1f;" VISIT_BOTH);
TRAP(sum_on_stack, ENTRY "push 64(%rbx); subq $3,(%rsp); pop %rax; jz 1f;" VISIT_BOTH);
TRAP(compared_on_stack, ENTRY "push 64(%rbx); cmpq $3,(%rsp); pop %rax; je 1f;" VISIT_BOTH);
TRAP(half_compared_on_stack, ENTRY "push 64(%rbx); cmpl $3,(%rsp); pop %rax; je 1f;" VISIT_BOTH);
TRAP(
    set_on_stack, ENTRY
    "push $0; cmpq $0,16(%rbx); sete (%rsp); pop %rax; mov 24(%rbx,%rax,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(
    set_by_sign, ENTRY
    "xor %eax,%eax; cmpq $3,64(%rbx); setge %al; mov 16(%rbx,%rax,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(
    set_in_what_was_there, ENTRY
    "cmpq $3,64(%rbx); setge %al; movzbl %al,%eax; mov 16(%rbx,%rax,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(parity, ENTRY "cmpq $3,64(%rbx); jp 1f;" VISIT_BOTH);
TRAP(overflow, ENTRY "cmpq $3,64(%rbx); jo 1f;" VISIT_BOTH);
TRAP(
    choice_by_sign, ENTRY
    "mov $16,%ecx; mov $24,%edx; cmpq $2,64(%rbx); cmovg %rdx,%rcx; mov (%rbx,%rcx),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(
    choice_by_carry, ENTRY
    "mov $16,%ecx; mov $24,%edx; cmpq $2,64(%rbx); cmova %rdx,%rcx; mov (%rbx,%rcx),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pair_of_one_word,
     ENTRY "mov 16(%rbx),%rax; lea 8(%rax),%rcx; cmp %rax,%rcx; je 1f;" VISIT_BOTH);
TRAP(pair_by_sign, ENTRY "mov 48(%rbx),%rax; cmp 56(%rbx),%rax; jl 1f;" VISIT_BOTH);
TRAP(segment_of_nothing, ENTRY "mov %gs:16(%rbx),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(segment_of_thread, ENTRY "mov %fs:16(%rbx),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(half_an_address, ENTRY "mov $1,%ecx; lea (%ecx),%eax;" VISIT_BOTH);
TRAP(address_in_half_a_word, ENTRY
     "mov 64(%rbx),%rax; lea 3(%rax),%ecx; mov -16(%rbx,%rcx,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(
    jump_by_number, ENTRY
    "mov 64(%rbx),%rax; and $1,%eax; lea 2f(%rip),%rcx; lea (%rcx,%rax,2),%rcx; jmp *%rcx; 2: jmp 1f;" VISIT_BOTH);
TRAP(stack_is_deep,
     ENTRY "sub $8192,%rsp; mov %rbx,(%rsp); mov (%rsp),%rbx; add $8192,%rsp;" VISIT_BOTH);
TRAP(stack_of_the_caller, ENTRY "mov 40(%rsp),%rax; test %rax,%rax; jz 2f; 2:" VISIT_BOTH);
TRAP(call_inside,
     ENTRY "call 3f; jmp 4f; 3: repz ret; 4: call 3f; jmp 4f; 3: ret $0; 4:" VISIT_BOTH);
TRAP(fillers, ENTRY "nopw 0(%rax,%rax); endbr64; xchg %ax,%ax; nop;" VISIT_BOTH);
TRAP(negated,
     ENTRY "mov 64(%rbx),%rax; not %rax; neg %rax; mov (%rbx,%rax,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(flags_past_not, ENTRY "mov $0,%ecx; cmpq $3,64(%rbx); not %ecx; je 1f;" VISIT_BOTH);
TRAP(flags_of_constants_past_shift,
     ENTRY "mov $1,%ecx; test %ecx,%ecx; shl $1,%ecx; jz 1f;" VISIT_BOTH);
TRAP(high_byte_copied,
     ENTRY "mov 64(%rbx),%rax; movzbl %ah,%ecx; mov 16(%rbx,%rcx,8),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(bit_tested, ENTRY "mov 64(%rbx),%rax; bt $1,%rax; jnc 1f;" VISIT_BOTH);
TRAP(wide_constant, ENTRY "movabs $16,%rcx; mov (%rbx,%rcx),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(by_large_constant, ENTRY "cmpq $-0x80000000,40(%rbx); je 1f;" VISIT_BOTH);
TRAP(
    object_from_its_word, ENTRY
    "mov 16(%rbx),%rax; mov %rbx,%rcx; sub %rax,%rcx; mov 16(%rax,%rcx),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(tested_with_another,
     ENTRY "mov 64(%rbx),%rax; mov $2,%ecx; test %rcx,%rax; jz 1f;" VISIT_BOTH);
TRAP(zero_and_carry, ENTRY "cmpq $3,64(%rbx); jae 1f;" VISIT_BOTH);
// Ends in the visit.
TRAP(ends_in_visit, "mov 16(%rdi),%rdi; jmp *%rsi");

// The same objects, whatever the flags, the parts of registers and the stack have to do with them.
Test(path_finder, each_instruction)
{
    static const struct path_finder_row rows[] = {
        {ROW(frame_left), true},
        {ROW(sign_extended), true},
        {ROW(sign_extended_in_place), true},
        {ROW(sign_of_a_word), true},
        {ROW(sign_of_a_half), true},
        {ROW(sign_of_a_pointer), false},
        {ROW(times_constant), true},
        {ROW(times_register), true},
        {ROW(times_two_words), false},
        {ROW(cleared), true},
        {ROW(low_byte_cleared), true},
        {ROW(popped_to_memory), false},
        {ROW(pushed_constant), true},
        {ROW(pushed_half), false},
        {ROW(left_half), false},
        {ROW(pushed_half), false},
        {ROW(left_half), false},
        {ROW(added_to_object), true},
        {ROW(taken_from_constant), true},
        {ROW(difference_is_zero), true},
        {ROW(decreased_to_zero), true},
        {ROW(carry_past_inc_of_it), false},
        {ROW(carry_of_constants), true},
        {ROW(sum_on_stack), true},
        {ROW(compared_on_stack), true},
        {ROW(half_compared_on_stack), false},
        {ROW(set_on_stack), true},
        {ROW(set_by_sign), true},
        {ROW(set_in_what_was_there), false},
        {ROW(parity), false},
        {ROW(overflow), false},
        {ROW(choice_by_sign), true},
        {ROW(choice_by_carry), true},
        {ROW(pair_of_one_word), true},
        {ROW(pair_by_sign), false},
        {ROW(segment_of_nothing), false},
        {ROW(segment_of_thread), true},
        {ROW(half_an_address), false},
        {ROW(address_in_half_a_word), true},
        {ROW(jump_by_number), true},
        {ROW(stack_is_deep), false},
        {ROW(stack_of_the_caller), false},
        {ROW(call_inside), true},
        {ROW(fillers), true},
        {ROW(negated), true},
        {ROW(flags_past_not), false},
        {ROW(flags_of_constants_past_shift), true},
        {ROW(high_byte_copied), true},
        {ROW(bit_tested), false},
        {ROW(wide_constant), true},
        {ROW(by_large_constant), true},
        {ROW(object_from_its_word), false},
        {ROW(tested_with_another), true},
        {ROW(zero_and_carry), true},
        {ROW(ends_in_visit), true},
    };
    expect_rows(rows, LENGTH(rows));
}

#endif

Test(path_finder, nothing_to_destroy)
{
    learned_destroy(NULL);
}
