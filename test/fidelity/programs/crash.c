/* Ends with SIGSEGV as a real crash does. */
int main(void) {
    *(volatile int *)8 = 1;
    return 0;
}
